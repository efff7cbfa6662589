"""What is too slow beside METRO's way of reading."""

from hpscli.testing.speed.reading import Rates


def test_each_way_has_its_own_number_of_times_to_reach() -> None:
    metro = (100.0, 50.0, 100.0)
    fast = Rates({"metro": metro, "originals": (200, 101, 210), "crops": (800, 400, 790)})
    assert fast.short() == []
    slow = Rates({"metro": metro, "originals": (190, 99, 250), "crops": (800, 390, 790)})
    assert slow.short() == ["originals 1.98 of 2", "crops 7.90 of 8"]
