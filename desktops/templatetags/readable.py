"""Template filters over core.units and desktops.wording."""

from django import template
from django.utils.translation import gettext as _

from core import units
from desktops.models import AT_REST, BackupTask, Desktop
from desktops.web import icons
from desktops.wording import backup_paths, backup_reasons, home_folder
from desktops.wording.diagnosis import reason_of
from desktops.wording.reasons import sentence

register = template.Library()


register.filter("cores", units.cores, is_safe=True)
register.filter("memory", units.memory, is_safe=True)
register.filter("storage", units.storage, is_safe=True)
register.filter("data_size", units.data_size, is_safe=True)
register.filter("is_name_lost", backup_paths.is_name_lost)
register.filter("backup_sentence", backup_reasons.sentence)
register.filter("backup_advice", backup_reasons.next_step)
register.filter("home_use", home_folder.use, is_safe=True)
register.filter("is_nearly_full", home_folder.is_nearly_full)
register.filter("home_warning", home_folder.warning)
register.filter("home_advice", home_folder.advice)


@register.filter
def icon(name: str) -> str:
    return icons.known(name)


@register.filter
def why_at_rest(desktop: Desktop) -> str:
    """Say why a desktop failed or stopped. Uses the row alone, because lists call it for each desktop."""
    if desktop.status not in AT_REST:
        return ""
    slug = reason_of(desktop.status, desktop.reason, files_lost=desktop.volume.lost_at is not None)
    return sentence(slug, desktop.reason_facts) if slug else ""


@register.filter
def name_of_path(path: str) -> str:
    """Return the last name of a percent-encoded path in a backup."""
    return backup_paths.readable_name(path)


@register.filter
def backup_trigger(trigger: str) -> str:
    return str(BackupTask.Trigger(trigger).label)


@register.filter
def backup_purpose(task: BackupTask) -> str:
    """Say why a backup was made, or where a restore writes to."""
    if task.kind == BackupTask.Kind.RESTORE:
        if task.folder:
            return _("into the folder “%(name)s”") % {"name": task.folder}
        return _("the whole home folder")
    return str(BackupTask.Trigger(task.trigger).label)
