"""Dedup domains."""

import pytest

from imgrepl.errors import Invalid
from imgrepl.model.domain import DEFAULT_DOMAIN, DedupDomain, DomainId


@pytest.mark.parametrize(("id_bytes", "key_bytes"), [(15, 32), (17, 32), (16, 31), (16, 0)])
def test_ids_and_keys_of_another_length_are_refused(id_bytes: int, key_bytes: int) -> None:
    with pytest.raises(Invalid, match="16 bytes and a key of 32") as raised:
        DedupDomain(domain_id=DomainId(bytes(id_bytes)), chunk_key=bytes(key_bytes))
    assert raised.value.code == "InvalidDedupDomain"


def test_a_domain_does_not_show_its_key() -> None:
    assert "chunk_key" not in repr(DEFAULT_DOMAIN)
    assert repr(DEFAULT_DOMAIN.chunk_key) not in repr(DEFAULT_DOMAIN)
