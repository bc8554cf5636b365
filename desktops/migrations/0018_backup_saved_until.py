from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("desktops", "0017_backup_deletion")]

    operations = [
        migrations.AddField(
            model_name="backuprepository",
            name="saved_until",
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
