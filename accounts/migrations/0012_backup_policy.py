from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0011_time_zone")]

    operations = [
        migrations.AddField(
            model_name="quota",
            name="backups",
            field=models.CharField(
                blank=True,
                choices=[("never", "never"), ("daily", "daily"), ("hourly", "hourly")],
                help_text="How often home folders are backed up. Backups on request are always possible.",
                max_length=6,
                null=True,
                verbose_name="scheduled backups",
            ),
        ),
        migrations.AddField(
            model_name="quota",
            name="backup_storage_gib",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="For all backups of a person. 0: no limit.",
                null=True,
                verbose_name="backup storage (GiB)",
            ),
        ),
    ]
