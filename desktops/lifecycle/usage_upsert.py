"""Build the statement that adds one round of samples to the history of all runs in use.

The database computes the new sums, so the controller neither reads nor writes a row for each desktop. The samples are
one parameter, a JSON list of `SampleRow`.
"""

from dataclasses import dataclass
from typing import NamedTuple

from desktops.models import DesktopRun, RunUsage

_MIB = 2**20


class SampleRow(NamedTuple):
    """The use of one desktop. The buckets are those of `usage_histogram`."""

    object_name: str
    cpu: float  # cores
    memory_mib: float
    cpu_bucket: int
    memory_bucket: int


@dataclass(frozen=True)
class SqlDialect:
    """The expressions that databases write in different ways. Fields in braces are the operands."""

    samples: str  # a table with the columns of SampleRow, from the parameter `samples`
    seconds: str  # from the earlier sample, or else from `ready_at`, to the moment `at`; at most `longest`
    greatest: str  # name of the function
    at: str
    histogram: str  # the earlier one, with one more sample in its bucket


POSTGRESQL = SqlDialect(
    samples="""(
        SELECT item->>0 AS object_name, (item->>1)::float8 AS cpu, (item->>2)::float8 AS memory_mib,
               item->>3 AS cpu_bucket, item->>4 AS memory_bucket
        FROM jsonb_array_elements(%(samples)s::jsonb) AS item
    )""",
    seconds="""greatest(0, least(%(longest)s::float8,
        extract(epoch FROM %(at)s::timestamptz - coalesce(earlier.sampled_at, run.ready_at))::float8))""",
    greatest="greatest",
    at="%(at)s::timestamptz",
    histogram="""coalesce(earlier.{kind}_histogram, '{{}}') || jsonb_build_object(
        sample.{kind}_bucket, coalesce((earlier.{kind}_histogram->>sample.{kind}_bucket)::int, 0) + 1)""",
)
SQLITE = SqlDialect(
    # The LIMIT makes SQLite keep the samples as a table. It looks each run up there by an index of its own, because
    # the statement has a CROSS JOIN, whose order SQLite keeps. Otherwise the cost is the square of their number.
    samples="""(
        SELECT CAST(json_extract(value, '$[0]') AS text) AS object_name, json_extract(value, '$[1]') AS cpu,
               json_extract(value, '$[2]') AS memory_mib, json_extract(value, '$[3]') AS cpu_bucket,
               json_extract(value, '$[4]') AS memory_bucket
        FROM json_each(%(samples)s) LIMIT -1
    )""",
    # It knows times to the millisecond.
    seconds="""max(0, min(%(longest)s,
        round((julianday(%(at)s) - julianday(coalesce(earlier.sampled_at, run.ready_at))) * 86400, 3)))""",
    greatest="max",
    at="%(at)s",
    histogram="""json_set(coalesce(earlier.{kind}_histogram, '{{}}'), '$."' || sample.{kind}_bucket || '"',
        coalesce(json_extract(earlier.{kind}_histogram, '$."' || sample.{kind}_bucket || '"'), 0) + 1)""",
)


def usage_upsert(dialect: SqlDialect) -> str:
    """Return the statement. Its parameters are `samples`, `at`, and `longest`, the most seconds of one sample."""
    values = _values(dialect)
    changes = ", ".join(f"{column} = excluded.{column}" for column in values if column != "run_id")
    return f"""
        INSERT INTO {RunUsage._meta.db_table} ({", ".join(values)})
        SELECT {", ".join(values.values())}
        FROM {DesktopRun._meta.db_table} AS run
        CROSS JOIN {dialect.samples} AS sample
        LEFT JOIN {RunUsage._meta.db_table} AS earlier ON earlier.run_id = run.id
        WHERE sample.object_name = run.object_name AND run.ended_at IS NULL AND run.ready_at IS NOT NULL
        ON CONFLICT (run_id) DO UPDATE SET {changes}
    """  # noqa: S608 - it consists of constants of this module  # nosec B608


def _values(dialect: SqlDialect) -> dict[str, str]:
    """Return the new value of each column."""
    values = {
        "run_id": "run.id",
        "sampled_at": dialect.at,
        "samples": "coalesce(earlier.samples, 0) + 1",
        "cpu_seconds": f"coalesce(earlier.cpu_seconds, 0) + sample.cpu * {dialect.seconds}",
        "memory_byte_seconds": "coalesce(earlier.memory_byte_seconds, 0) "
        f"+ sample.memory_mib * {_MIB} * {dialect.seconds}",
    }
    for kind, measured in (("cpu", "sample.cpu"), ("memory", "sample.memory_mib")):
        mean = f"coalesce(earlier.{kind}_mean, 0)"
        values[f"{kind}_mean"] = f"{mean} + ({measured} - {mean}) / (coalesce(earlier.samples, 0) + 1)"
        values[f"{kind}_max"] = f"{dialect.greatest}(coalesce(earlier.{kind}_max, 0), {measured})"
        values[f"{kind}_histogram"] = dialect.histogram.format(kind=kind)
    return values
