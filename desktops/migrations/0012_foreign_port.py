from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("desktops", "0011_run_usage")]

    operations = [
        migrations.AlterField(
            model_name="portlease",
            name="use",
            field=models.CharField(
                choices=[("vnc", "VNC"), ("novnc", "noVNC"), ("ssh", "SSH"), ("foreign", "used by something else")],
                max_length=10,
                verbose_name="use",
            ),
        ),
    ]
