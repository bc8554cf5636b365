"""Static files with a content hash in their names, compressed once, ES module imports rewritten too."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class ModuleManifestStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # whitenoise has no types
    support_js_module_import_aggregation = True
    max_post_process_passes = 20  # a pass resolves one level of imports; ours are more than five deep
