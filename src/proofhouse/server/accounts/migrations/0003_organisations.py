import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def into_the_own_organisation(apps, schema_editor):
    """Until now everybody in a house belonged to the organisation that runs it."""
    Membership = apps.get_model("accounts", "Membership")
    if not Membership.objects.exists():
        return
    house = settings.HOUSE
    own = apps.get_model("accounts", "Organisation").objects.create(
        name=house.name if house else "house", title=house.title if house else "This house", own=True
    )
    Membership.objects.update(organisation=own)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_alter_membership_role"),
    ]

    operations = [
        migrations.CreateModel(
            name="Organisation",
            fields=[
                ("name", models.SlugField(max_length=31, primary_key=True, serialize=False)),
                ("title", models.CharField(max_length=120)),
                ("own", models.BooleanField(default=False)),
                ("contact", models.EmailField(blank=True, max_length=254)),
                ("made_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ["name"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("own", True)), fields=("own",), name="one_own_organisation"
                    )
                ],
            },
        ),
        migrations.RemoveConstraint(
            model_name="membership",
            name="one_membership_per_role",
        ),
        migrations.AddField(
            model_name="membership",
            name="organisation",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="memberships",
                to="accounts.organisation",
            ),
        ),
        migrations.RunPython(into_the_own_organisation, migrations.RunPython.noop),
        migrations.AlterField(
            model_name="membership",
            name="organisation",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="memberships",
                to="accounts.organisation",
            ),
        ),
        migrations.AddConstraint(
            model_name="membership",
            constraint=models.UniqueConstraint(
                fields=("person", "organisation", "role"), name="one_membership_per_organisation_and_role"
            ),
        ),
    ]
