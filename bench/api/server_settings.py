"""The portal's settings with one additional URL configuration."""

from portal.settings import *  # noqa: F403

ROOT_URLCONF = "bench.api.urls"
