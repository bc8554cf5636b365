"""Rename accounts whose names differ from another one only by case or Unicode form."""

from argparse import ArgumentTypeError
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.username_clashes import Renaming, UnusableChoice, clashes, plan, resolve


class Command(BaseCommand):
    help = "Lists usernames that differ only by case or Unicode form, and the new names that --apply would give them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--apply", action="store_true", help="rename the accounts; otherwise nothing is changed")
        parser.add_argument(
            "--keep",
            action="append",
            default=[],
            metavar="NAME",
            help="keep this account's name instead of the oldest's",
        )
        parser.add_argument(
            "--rename", action="append", default=[], metavar="OLD=NEW", type=_pair, help="rename this account to NEW"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        found = clashes()
        if not found:
            self.stdout.write("No usernames clash.")
            return
        try:
            todo = plan(keep=options["keep"], rename=dict(options["rename"]))
        except UnusableChoice as error:
            raise CommandError(str(error)) from error
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        for each in todo:
            self.stdout.write(_line(each))
        if options["apply"]:
            resolve(todo)
            self.stdout.write("Done. Inform these people of their new names.")
        else:
            self.stdout.write("Nothing was changed. Run again with --apply to rename them.")


def _line(each: Renaming) -> str:
    joined = each.user.date_joined.date().isoformat()
    return f"{each.user.username} (since {joined}) " + (f"becomes {each.new}" if each.new else "keeps its name")


def _pair(text: str) -> tuple[str, str]:
    old, equals, new = text.partition("=")
    if not (old and equals and new):
        raise ArgumentTypeError(f"{text} is not of the form OLD=NEW.")
    return old, new
