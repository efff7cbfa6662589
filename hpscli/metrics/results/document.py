"""What a result.json must look like before anybody believes it."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from hpscli.metrics.rules import Curve, Metric, Table

Number = Annotated[float, Field(strict=True)]
Fields = dict[str, Any]


class StoredMetric(BaseModel):
    """A figure; a value that does not exist is null."""

    model_config = ConfigDict(extra="forbid", strict=True)

    value: Number | None
    unit: str = "mm"
    n: int = 0
    label: str = ""
    smaller_is_better: bool = True

    def metric(self) -> Metric:
        """-> the figure, its value NaN where there is none."""
        known = self.model_dump()
        return Metric(**{**known, "value": float("nan") if self.value is None else self.value})


class StoredTable(BaseModel):
    """A table whose rows are as long as its columns."""

    model_config = ConfigDict(extra="forbid")

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | int | float | bool | None, ...], ...]
    unit: str = ""

    @model_validator(mode="after")
    def rows_fit(self) -> "StoredTable":
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"a row of '{self.title}' is not as long as its columns")
        return self


class StoredCurve(BaseModel):
    """Lines as long as their axis."""

    model_config = ConfigDict(extra="forbid")

    title: str
    x_label: str
    y_label: str
    x: tuple[float | None, ...]
    lines: dict[str, tuple[float | None, ...]]

    @model_validator(mode="after")
    def lines_fit(self) -> "StoredCurve":
        if any(len(line) != len(self.x) for line in self.lines.values()):
            raise ValueError(f"a line of '{self.title}' is not as long as its axis")
        return self

    def curve(self) -> Curve:
        """-> the curve, NaN where it has no value."""
        return Curve(
            title=self.title,
            x_label=self.x_label,
            y_label=self.y_label,
            x=tuple(_number(value) for value in self.x),
            lines={n: tuple(_number(v) for v in line) for n, line in self.lines.items()},
        )


class StoredReference(BaseModel):
    """What was published for a figure; more may be said."""

    model_config = ConfigDict(extra="allow")

    value: Number | None
    difference: Number | None
    source: str


class ProtocolFields(BaseModel):
    """What is always known of a protocol; there is more."""

    model_config = ConfigDict(extra="allow")

    name: str
    summary: str = ""


class StoredBaseline(BaseModel):
    """The mean person; more may be said."""

    model_config = ConfigDict(extra="allow")

    metrics: dict[str, Fields] = Field(default_factory=dict)


class Document(BaseModel):
    """Everything of a result but its people."""

    model_config = ConfigDict(extra="forbid")

    protocol: ProtocolFields
    checkpoint: Fields
    model: str
    body: Fields
    data: Fields
    settings: Fields
    metrics: dict[str, StoredMetric]
    reference: dict[str, StoredReference] = Field(default_factory=dict)
    baseline: StoredBaseline = Field(default_factory=StoredBaseline)
    tables: dict[str, StoredTable] = Field(default_factory=dict)
    curves: dict[str, StoredCurve] = Field(default_factory=dict)
    official_text: str = ""
    notes: tuple[str, ...] = ()
    device: str = "cpu"
    processes: int = 1
    seconds: float = 0.0
    time: str = ""
    hps_version: str = ""
    recipe_hash: str = ""


def fields_of(document: dict[str, Any]) -> dict[str, Any]:
    """The content of a result.json -> the fields of a Result; ValueError says what is wrong."""
    try:
        known = Document.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{place}: {first['msg']}") from None
    plain = {name: getattr(known, name) for name in Document.model_fields}
    own = {"tables", "curves", "metrics", "reference", "baseline", "protocol"}
    return {
        **{name: value for name, value in plain.items() if name not in own},
        "protocol": known.protocol.model_dump(exclude_unset=True),
        "baseline": known.baseline.model_dump(exclude_unset=True)
        if document.get("baseline")
        else {},
        "metrics": {name: stored.metric() for name, stored in known.metrics.items()},
        "reference": {name: stored.model_dump() for name, stored in known.reference.items()},
        "curves": {name: stored.curve() for name, stored in known.curves.items()},
        "tables": {name: Table(**stored.model_dump()) for name, stored in known.tables.items()},
    }


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
