"""Programs of PostgreSQL get the database's address in a file."""

import dj_database_url

from core import postgres_service


def test_file_has_what_libpq_knows_and_nothing_else(tmp_path):
    url = "postgres://us%40er:p%23ss=w%20rd@db.example.org:5433/podesk?sslmode=require"
    database = dj_database_url.parse(url)
    database["OPTIONS"]["pool"] = {"min_size": 1}
    path = tmp_path / "pg_service.conf"
    postgres_service.write(path, database)
    assert path.read_text().splitlines() == [
        "[podesk]",
        "host=db.example.org",
        "port=5433",
        "dbname=podesk",
        "user=us@er",
        "password=p#ss=w rd",
        "sslmode=require",
    ]
    assert path.stat().st_mode & 0o777 == 0o640
