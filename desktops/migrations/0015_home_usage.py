from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("desktops", "0014_backups")]

    operations = [
        migrations.AddField(
            model_name="volume",
            name="used_bytes",
            field=models.BigIntegerField(blank=True, null=True, verbose_name="used"),
        ),
        migrations.AddField(
            model_name="volume",
            name="usable_bytes",
            field=models.BigIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="volume",
            name="used_measured_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="measured"),
        ),
        migrations.AddField(
            model_name="volume",
            name="measurement_unfinished",
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]
