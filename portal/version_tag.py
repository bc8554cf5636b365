"""`{% version %}` in templates: also on error pages, which are rendered without any context."""

from django import template

from core.version import VERSION

register = template.Library()


@register.simple_tag
def version() -> str:
    """Return Podesk's version."""
    return VERSION
