# SPDX-License-Identifier: Apache-2.0
from django.db import migrations, models

SQLITE = [
    "CREATE VIRTUAL TABLE engine_searchwords USING fts5(text, content='engine_searchtext', content_rowid='id', "
    "tokenize='unicode61 remove_diacritics 0')",
    "CREATE TRIGGER engine_searchtext_new AFTER INSERT ON engine_searchtext BEGIN "
    "INSERT INTO engine_searchwords(rowid, text) VALUES (new.id, new.text); END",
    "CREATE TRIGGER engine_searchtext_gone AFTER DELETE ON engine_searchtext BEGIN "
    "INSERT INTO engine_searchwords(engine_searchwords, rowid, text) VALUES ('delete', old.id, old.text); END",
    "CREATE TRIGGER engine_searchtext_other AFTER UPDATE ON engine_searchtext BEGIN "
    "INSERT INTO engine_searchwords(engine_searchwords, rowid, text) VALUES ('delete', old.id, old.text); "
    "INSERT INTO engine_searchwords(rowid, text) VALUES (new.id, new.text); END",
]
POSTGRESQL = [
    "CREATE INDEX engine_searchtext_words ON engine_searchtext "
    "USING gin (array_to_tsvector(string_to_array(text, ' ')))",
]


def index(apps, schema_editor):
    for statement in POSTGRESQL if schema_editor.connection.vendor == "postgresql" else SQLITE:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("engine", "0006_own_log")]

    operations = [
        migrations.CreateModel(
            name="SearchText",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("label", models.CharField(max_length=60)),
                ("key", models.CharField(max_length=64)),
                ("text", models.TextField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("label", "key"), name="one_text_per_record")
                ]
            },
        ),
        migrations.RunPython(index, migrations.RunPython.noop),
    ]
