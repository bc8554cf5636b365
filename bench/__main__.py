"""List the benchmarks: what each measures, which limits it must keep, and which of its tools are missing."""

from bench.catalogue import BENCHMARKS, Benchmark
from bench.needs import missing


def entry(bench: Benchmark) -> str:
    absent = missing(bench.tools)
    needs = ", ".join(f"{tool} (missing: {absent[tool]})" if tool in absent else tool for tool in bench.tools)
    return f"python -m bench.{bench.name}\n  measures {bench.measures}\n  limit    {bench.limit}\n  needs    {needs}\n"


def main() -> None:
    print(*map(entry, BENCHMARKS), sep="\n")
    print("Each writes its table to bench/results. Exit status: 1 if a limit is missed, 2 if a tool is missing.")


if __name__ == "__main__":
    main()
