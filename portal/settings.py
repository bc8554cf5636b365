"""Define all settings. docs/settings.md explains each; portal/checks.py refuses unsafe combinations."""

from pathlib import Path
from urllib.parse import urlsplit

import dj_database_url
import django_stubs_ext
from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _

from core.version import VERSION
from portal import env, logs
from portal.base_settings import *  # noqa: F403 - Django reads all settings from this module
from portal.base_settings import BASE_DIR, DATA_DIR, PUBLIC_URL
from portal.desktop_settings import *  # noqa: F403 - as above
from portal.desktop_settings import DESKTOP_EXPOSURE, DESKTOP_INGRESS_AUTH_URL

django_stubs_ext.monkeypatch()  # `ModelAdmin[User]` in annotations must not fail at run time

# --- Addresses of the portal --------------------------------------------------------------------------------------
SECRET_KEY = env.secret("SECRET_KEY", minimum=50)
_public = urlsplit(PUBLIC_URL)
HTTPS = _public.scheme == "https"
ALLOWED_HOSTS = [_public.hostname or "localhost", *env.listing("ALLOWED_HOSTS")]
if DESKTOP_EXPOSURE == "ingress":
    ALLOWED_HOSTS.append(urlsplit(DESKTOP_INGRESS_AUTH_URL).hostname or "")  # the controller sends this Host
CSRF_TRUSTED_ORIGINS = [f"{_public.scheme}://{_public.netloc}", *env.listing("TRUSTED_ORIGINS")]
# Number of reverse proxies in front that append to X-Forwarded-For. 0: use the address of the socket.
TRUSTED_PROXY_COUNT = env.integer("TRUSTED_PROXY_COUNT", 0)

# --- Applications --------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "daphne",  # before staticfiles, so that runserver speaks WebSocket
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "channels",
    "django_rq",
    "django_htmx",
    "csp",
    "axes",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "accounts",
    "desktops",
    "portal",
]
MIDDLEWARE = [
    "portal.middleware.ProbeMiddleware",
    "portal.middleware.RequestContextMiddleware",
    "core.api.problem_middleware.ProblemMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "portal.database_outage.DatabaseUnavailableMiddleware",
    "axes.middleware.AxesMiddleware",  # the last one, as the documentation of axes requires
]
ROOT_URLCONF = "portal.urls"
ASGI_APPLICATION = "portal.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            "builtins": ["portal.version_tag"],
        },
    },
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Databases ----------------------------------------------------------------------------------------------------
DATABASES = {
    "default": dj_database_url.parse(
        env.url("DATABASE_URL", f"sqlite:///{DATA_DIR / 'podesk.sqlite3'}", env.DATABASES), conn_health_checks=True
    )
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        # Take the write lock when a transaction begins. The quota check relies on it, as on PostgreSQL's row lock.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,  # seconds
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
    DATABASES["default"]["TEST"] = {"NAME": DATA_DIR / "test.sqlite3"}  # threads cannot share an in-memory database
else:
    # Each request runs in its own thread and would otherwise open its own connection.
    size = env.integer("DATABASE_POOL_SIZE", 20, minimum=2)
    DATABASES["default"].setdefault("OPTIONS", {})["pool"] = {"min_size": 1, "max_size": size, "timeout": 10}
DATABASE_COPIES = env.integer("DATABASE_COPIES", 7, minimum=0)  # of SQLite, one each day; 0 makes none
REDIS_URL = env.url("REDIS_URL", "redis://127.0.0.1:6379/0", ("redis", "rediss", "unix"))
RQ_QUEUES = {"desktops": {"URL": REDIS_URL, "DEFAULT_TIMEOUT": 60}}  # seconds; a job only makes API calls
RQ = {
    "COMMIT_MODE": "auto",  # desktops.lifecycle.queue waits for the commit and handles Redis errors
    "WORKER_CLASS": "desktops.lifecycle.worker.Worker",
}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL], "prefix": "podesk"},
    }
}

# --- Session tokens ------------------------------------------------------------------------------------------------
TOKEN_SIGNING_KEY = env.text("TOKEN_SIGNING_KEY", "")  # RSA private key, PEM
TOKEN_VERIFY_KEYS = env.text("TOKEN_VERIFY_KEYS", "")  # further public keys, PEM, concatenated: for key rotation
TOKEN_LIFETIME = env.integer("TOKEN_LIFETIME", 24 * 3600, minimum=60)  # seconds
# The longest lifetime that a client may request, and how long a token can be refreshed without a password.
TOKEN_LIFETIME_MAX = env.integer("TOKEN_LIFETIME_MAX", 30 * 24 * 3600, minimum=60)  # seconds
TOKEN_REFRESH_LIFETIME = env.integer("TOKEN_REFRESH_LIFETIME", 30 * 24 * 3600, minimum=60)  # seconds
VIEWER_TOKEN_LIFETIME = 60  # seconds; enough to connect, too short to be useful to a thief

# --- REST API ------------------------------------------------------------------------------------------------------
# Requests per minute; 0: no limit. READ, WRITE and CREATE (launching) are per user, the others per address.
API_RATES = {
    "read": env.integer("API_RATE_READ", 600),
    "write": env.integer("API_RATE_WRITE", 120),
    "create": env.integer("API_RATE_CREATE", 60),
    "login": env.integer("API_RATE_LOGIN", 20),
    "address": env.integer("API_RATE_ADDRESS", 3000),
}
# Waiting requests and streams that a user may keep open at once; 0: no limit.
API_OPEN = {
    "streams": env.integer("API_STREAMS", 50),
    "waits": env.integer("API_WAITS", 20),
    "downloads": env.integer("API_DOWNLOADS", 4),  # of files from backups, also from pages
    "listings": env.integer("API_LISTINGS", 2),  # of folders of backups, also on pages; restic needs much memory
}
API_BODY_LIMIT = 64 * 1024  # bytes; the largest valid request has a few hundred
API_WAIT_LIMIT = env.integer("API_WAIT_LIMIT", 120)  # seconds; the longest `?wait=`
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.api.authentication.SessionTokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.api.permissions.TokenMay"],
    "DEFAULT_THROTTLE_CLASSES": ["accounts.api.throttles.RateLimit"],
    "DEFAULT_PARSER_CLASSES": ["core.api.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "core.api.operation_schema.OperationSchema",
    "EXCEPTION_HANDLER": "core.api.exception_handler.handler",
    "UNICODE_JSON": True,
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,
}
SIMPLE_JWT = {"AUTH_HEADER_TYPES": ("Bearer",), "USER_ID_CLAIM": "user_id"}
SPECTACULAR_SETTINGS = {
    "TITLE": "Podesk",
    "DESCRIPTION": (BASE_DIR / "portal/api/description.md").read_text(),
    "VERSION": VERSION,
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "POSTPROCESSING_HOOKS": ["portal.api.schema.complete"],  # replaces the default hook, which names enums
}

# --- VNC relay -----------------------------------------------------------------------------------------------------
# Seconds between two checks of the rows of all open streams: the delay of a revocation that Redis lost.
PROXY_RECHECK_SECONDS = env.integer("PROXY_RECHECK_SECONDS", 30, minimum=1)
# Viewers of one desktop per proxy process. A further one closes the oldest.
PROXY_STREAMS_PER_DESKTOP = env.integer("PROXY_STREAMS_PER_DESKTOP", 10, minimum=1)
# Seconds that one write to a browser or desktop may block.
PROXY_WRITE_TIMEOUT = env.integer("PROXY_WRITE_TIMEOUT", 30, minimum=1)
# Seconds for each step of connecting: the checks, the login at the desktop, the browser's handshake.
PROXY_HANDSHAKE_TIMEOUT = env.integer("PROXY_HANDSHAKE_TIMEOUT", 10, minimum=1)

# --- Signing in ----------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "accounts:login"
LOGIN_REDIRECT_URL = "desktops:home"
LOGOUT_REDIRECT_URL = "accounts:login"
AXES_FAILURE_LIMIT = env.integer("LOGIN_FAILURE_LIMIT", 5, minimum=1)
AXES_COOLOFF_TIME = env.integer("LOGIN_LOCKOUT_SECONDS", 900, minimum=1) / 3600  # axes expects hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]  # so that others cannot lock a user out from another address
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_CALLABLE = "accounts.views.locked_out"
AXES_USERNAME_CALLABLE = "accounts.lockout.counted_name"
AXES_CLIENT_IP_CALLABLE = "accounts.lockout.counted_address"
AXES_VERBOSE = False
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # otherwise Retry-After would be wrong
AXES_DISABLE_ACCESS_LOG = True  # the audit trail records it
AXES_ENABLE_ADMIN = False  # the pages of users have "Unlock"

# --- Browser security ---------------------------------------------------------------------------------------------
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SECURE_SSL_HOST = _public.netloc if HTTPS and _public.port else None  # plain HTTP uses another port
SECURE_REDIRECT_EXEMPT = [r"^desktops/[^/]+/gate/$"]  # requested from within the cluster, over plain HTTP
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXY_COUNT else None
SECURE_REFERRER_POLICY = "same-origin"
CSRF_FAILURE_VIEW = "accounts.csrf_failure.csrf_failure"
X_FRAME_OPTIONS = "SAMEORIGIN"
SILENCED_SYSTEM_CHECKS = ["security.W019"]  # it asks for DENY, but the portal frames its own viewer
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:", "blob:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [SELF],
    }
}

# --- Languages, time, static files ---------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("zh-hans", _("Simplified Chinese"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = env.time_zone("TIME_ZONE", "UTC")
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = Path(env.text("STATIC_ROOT", str(DATA_DIR / "static")))
STATICFILES_DIRS = [
    BASE_DIR / "static",
    ("novnc", BASE_DIR / "node_modules/@novnc/novnc"),
    ("htmx", BASE_DIR / "node_modules/htmx.org/dist"),
]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "portal.static.ModuleManifestStorage"},
}

# --- Process management -------------------------------------------------------------------------------------------
# Seconds that open requests have to end after the server is asked to stop. Read by portal/server.py.
SHUTDOWN_GRACE = env.integer("SHUTDOWN_GRACE", 5)
ALIVE_FILE = env.text("ALIVE_FILE", "")  # touched in each cycle of worker and controller, for probes
METRICS_PORT = env.integer("METRICS_PORT", 0, maximum=65535)  # 0: no metrics
METRICS_ADDRESS = env.text("METRICS_ADDRESS", "127.0.0.1")
LOG_FORMAT = env.choice("LOG_FORMAT", "json", ("json", "console"))
LOGGING = logs.configuration(LOG_FORMAT, env.choice("LOG_LEVEL", "INFO", logs.LEVELS))
