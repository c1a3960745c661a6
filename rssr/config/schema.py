"""The configuration's JSON schema, for completion and checks in editors."""

from typing import Any

from rssr.config import Config


def schema() -> dict[str, Any]:
    """JSON schema of a configuration file; config/schema.json is a copy of it."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Config.model_json_schema()}
