"""Define the template tag `{% version %}`, which also works on error pages, rendered without context."""

from django import template

from core.version import VERSION

register = template.Library()


@register.simple_tag
def version() -> str:
    """Return Podesk's version."""
    return VERSION
