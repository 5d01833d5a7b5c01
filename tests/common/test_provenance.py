"""What a number's environment says of the CPU."""

from pathlib import Path

import pytest

from cifar_mlp.common import provenance

EPYC = """processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 26
model\t\t: 2
model name\t: AMD EPYC
flags\t\t: fpu avx2 avx512f avx512_bf16

processor\t: 1
model name\t: another
"""


@pytest.mark.parametrize(
    ("cpuinfo", "expected"),
    [
        (EPYC, "AMD EPYC (family 26, model 2; AVX-512, AVX512-BF16)"),
        ("model name : Xeon\nflags : avx2 avx512f amx_bf16\n", "Xeon (AVX-512, AMX-BF16)"),
        ("model name : Old\ncpu family : 6\nflags : avx2\n", "Old (family 6; AVX2)"),
        ("CPU implementer : 0x41\nFeatures : asimd\n", "the system's name"),
        (None, "the system's name"),
    ],
    ids=["epyc", "xeon", "avx2", "arm", "no file"],
)
def test_a_cpu_is_identified(cpuinfo: str | None, expected: str, monkeypatch: pytest.MonkeyPatch):
    def read_text(self: Path, **_: object) -> str:
        if cpuinfo is None:
            raise FileNotFoundError
        return cpuinfo

    monkeypatch.setattr(Path, "read_text", read_text)
    monkeypatch.setattr(provenance.platform, "processor", lambda: "the system's name")
    assert provenance.cpu_identity() == expected


def test_only_installed_packages_have_versions():
    assert provenance.package_versions(["torch", "no-such-package"]).keys() == {"torch"}
