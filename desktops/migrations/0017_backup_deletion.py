from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("desktops", "0016_database_backup")]

    operations = [
        migrations.AddField(
            model_name="backup",
            name="deleted_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="backuprepository",
            name="deleted_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="backuptask",
            name="run",
            field=models.PositiveIntegerField(blank=True, null=True),
        ),
    ]
