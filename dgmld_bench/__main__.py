"""``python -m dgmld_bench`` is ``dgmld-bench``."""

from dgmld_bench.cli import main

if __name__ == "__main__":
    main()
