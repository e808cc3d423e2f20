"""Fingerprints are stable and tell rows apart."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crimepatterns.cleaning.fingerprint import coded, hash_numbers, hash_text, mix, to_hex


def test_mixing_is_splitmix64() -> None:
    """First outputs of the reference implementation for the seeds 0 and 1234567; ids must stay the same for ever."""
    seeds = np.array([0, 1_234_567], dtype=np.uint64)
    mixed = mix(np.zeros(2, dtype=np.uint64), seeds)
    assert mixed.tolist() == [0xE220A8397B1DCDAF, 6_457_827_717_110_365_317]
    assert to_hex(mixed).to_pylist() == ["e220a8397b1dcdaf", f"{6_457_827_717_110_365_317:016x}"]


def test_text_is_mixed_by_its_bytes() -> None:
    text = "CRIMINAL DAMAGE"
    total = mix(np.zeros(1, dtype=np.uint64), np.array([15], dtype=np.uint64))
    for word in (text[:8], text[8:]):
        total = mix(total, np.array([int.from_bytes(word.encode(), "little")], dtype=np.uint64))
    assert hash_text(pa.array([text]))[0] == total[0]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.none(), st.text(max_size=30)), max_size=40), st.integers(0, 5))
def test_equal_text_has_equal_fingerprints_however_it_is_stored(texts: list[str | None], skip: int) -> None:
    column = pa.array(texts, pa.string())
    plain = hash_text(column)
    np.testing.assert_array_equal(hash_text(column.dictionary_encode()), plain)
    np.testing.assert_array_equal(hash_text(column.slice(min(skip, len(texts)))), plain[min(skip, len(texts)) :])
    assert len(set(plain.tolist())) == len(set(texts))


def test_zeros_and_not_a_numbers_are_one_value() -> None:
    pair = hash_numbers(np.array([0.0, -0.0, np.nan, -np.nan]))
    assert pair[0] == pair[1]
    assert pair[2] == pair[3]


@pytest.mark.parametrize("distinct", [3, 5_000])
def test_codes_have_the_fingerprints_of_their_texts(distinct: int) -> None:
    rng = np.random.default_rng(1)
    column = pa.array(
        [None if i % 50 == 0 else f"{int(k):05d}" for i, k in enumerate(rng.integers(0, distinct, 5_000))]
    )
    assert pa.types.is_dictionary(coded(column).type) == (distinct == 3)
    np.testing.assert_array_equal(hash_text(coded(column)), hash_text(column))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 20), st.integers(1, 30), st.integers(0, 5))
def test_texts_of_one_length_are_no_special_case(length: int, n: int, skip: int) -> None:
    texts = [f"{i:0{length}d}"[-length:] for i in range(n)]
    alone = [hash_text(pa.array([text, "x" * (length + 1)]))[0] for text in texts]
    start = min(skip, n - 1)
    np.testing.assert_array_equal(hash_text(pa.array(texts).slice(start)), alone[start:])
