from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("desktops", "0019_next_size")]

    operations = [
        migrations.AddField(
            model_name="volume",
            name="expires_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="kept until"),
        ),
        migrations.AddField(
            model_name="volume",
            name="postponed_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
