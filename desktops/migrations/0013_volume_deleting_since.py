from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("desktops", "0012_foreign_port")]

    operations = [
        migrations.AddField(
            model_name="volume",
            name="deleting_since",
            field=models.DateTimeField(blank=True, null=True, verbose_name="being deleted since"),
        ),
    ]
