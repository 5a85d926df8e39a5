"""Endpoints as JSON. References to credentials, never their values."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from imgrepl.model.region import Endpoint


def json_of(endpoint: Endpoint) -> dict[str, Any]:
    """Its fields, without those that are not set."""
    return {name: value for name, value in asdict(endpoint).items() if value is not None}


def endpoint_of(value: Mapping[str, Any]) -> Endpoint:
    """The endpoint that `json_of` gave."""
    return Endpoint(**value)
