"""Configure structured logs: one line per event, with the request ID and the desktop ID."""

from collections.abc import MutableMapping
from typing import Any

import structlog

_LIMITS = (".RequestDataTooBig", ".TooManyFieldsSent", ".TooManyFilesSent")  # loggers below django.security
_OLD_FORM = ("Forbidden (CSRF token", "Forbidden (CSRF cookie")  # how Django's messages about them begin


def _without_request(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Remove the request that Django adds: it would be logged with its full URL, which may contain a token."""
    event.pop("request", None)
    return event


def _as_refusal(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Log a request that Django refused in one line, without a traceback.

    Old forms and bodies over a limit are information. Forms of another site and wrong hosts remain warnings.
    """
    name = str(event.get("logger", ""))
    if name.startswith("django.security."):
        event.pop("exc_info", None)
        ordinary = name.endswith(_LIMITS) or str(event["event"]).startswith(_OLD_FORM)
        event["level"] = "info" if ordinary else "warning"
    return event


_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.stdlib.ExtraAdder(),
    _without_request,
    _as_refusal,
]


LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


def configuration(form: str, level: str) -> dict[str, Any]:
    """Return Django's `LOGGING` setting; `form` is "json" (for machines) or "console" (for people)."""
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    last: list[Any] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
        if form == "json"
        else [structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)]
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": _SHARED,
                "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "axes": {"level": "ERROR", "propagate": True, "handlers": []},  # wrong passwords are in the audit trail
            "django.request": {"level": "ERROR", "propagate": True, "handlers": []},  # it warns about each 404 and 401
            "django.server": {"level": level, "propagate": True, "handlers": []},
            "uvicorn": {"level": level, "propagate": True, "handlers": []},
            "uvicorn.error": {"level": "WARNING", "propagate": True, "handlers": []},  # it logs full URLs
            "uvicorn.access": {"level": "WARNING", "propagate": True, "handlers": []},  # the middleware logs requests
            "rq.worker": {"level": level, "propagate": True, "handlers": []},
            "kubernetes.client.rest": {"level": "INFO", "propagate": True, "handlers": []},  # Secrets, on DEBUG
        },
    }
