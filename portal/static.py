"""Store static files with a content hash in their names, compressed, with rewritten imports of ES modules."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class ModuleManifestStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # whitenoise has no types
    support_js_module_import_aggregation = True
    max_post_process_passes = 20  # each pass resolves one level of imports; ours have more than five
