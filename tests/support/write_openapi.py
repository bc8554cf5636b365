"""Write docs/openapi.yaml. In the checkout, run `.venv/bin/python -m tests.support.write_openapi`."""

import django

from podesk_cli.folders import CHECKOUT
from tests.support import environment  # noqa: F401 - sets what Django's settings need; no data folder is used


def main() -> None:
    django.setup()
    from portal.api import docs

    (CHECKOUT / "docs/openapi.yaml").write_text(docs.as_yaml())


if __name__ == "__main__":
    main()
