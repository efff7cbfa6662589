"""python -m hpscli: the same program as `hps`; what launchers start."""

from hpscli.cli.app import main

if __name__ == "__main__":
    main()
