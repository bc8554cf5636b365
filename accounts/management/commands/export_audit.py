"""Write the audit trail to standard output, one JSON object per line, newest first."""

from argparse import ArgumentTypeError
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from accounts import audit_export
from accounts.models import AuditEvent


class Command(BaseCommand):
    help = "Writes the audit trail to standard output, one JSON object per line, newest first."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--since", type=_moment, help="at this time or later, such as 2026-01-31T08:00:00+00:00")
        parser.add_argument("--until", type=_moment, help="before this time")
        parser.add_argument("--action", dest="event", help="such as desktop.launch")
        parser.add_argument("--pod-name", help="object name of a desktop, including deleted ones")
        parser.add_argument("--actor", help="the user's name at the time, or their id")

    def handle(self, *args: Any, **options: Any) -> None:
        events = AuditEvent.objects.all()
        if options["since"]:
            events = events.filter(at__gte=options["since"])
        if options["until"]:
            events = events.filter(at__lt=options["until"])
        if options["event"]:
            events = events.filter(action=options["event"])
        if options["pod_name"]:
            events = events.filter(pod_name=options["pod_name"])
        if options["actor"]:
            events = events.filter(audit_export.by_actor(options["actor"]))
        for text in audit_export.lines(events):
            self.stdout.write(text, ending="")


def _moment(text: str) -> datetime:
    """Parse a date or a time. Without an offset it is in the portal's time zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text} is not a valid time; use a form like 2026-01-31 or 2026-01-31T08:00:00+00:00.")
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment)
