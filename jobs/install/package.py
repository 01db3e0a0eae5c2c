"""Spack package; needs Spack 1.0. With cdsr-0.1.0.tar.gz in the current folder (see README.md):
spack repo create . local; this file goes to spack_repo/local/packages/cdsr/; spack repo add spack_repo/local;
spack install -n cdsr"""

import os

from spack_repo.builtin.build_systems.cmake import CMakePackage, generator

from spack.package import *


class Cdsr(CMakePackage):
    """Trains and evaluates cross-domain sequential recommenders on CPU clusters."""

    url = f"file://{os.getcwd()}/cdsr-0.1.0.tar.gz"
    manual_download = True
    tags = ["benchmark"]

    license("Apache-2.0")

    version("0.1.0")

    depends_on("c", type="build")
    depends_on("cmake@3.25:", type="build")
    depends_on("ninja", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("mpi@3.1:")
    depends_on("blas")
    depends_on("scalapack")
    depends_on("hdf5@1.10: +mpi")
    depends_on("jansson")
    depends_on("openssl")
    depends_on("libyaml")
    depends_on("libunistring")
    depends_on("zlib-api")
    depends_on("curl")
    depends_on("jpeg")
    depends_on("libpng")
    depends_on("libwebp")

    generator("ninja")

    def cmake_args(self):
        return [
            self.define("BUILD_TESTING", False),
            self.define("MPI_C_COMPILER", self.spec["mpi"].mpicc),
            self.define("BLAS_LIBRARIES", self.spec["blas"].libs.joined(";")),
            self.define("SCALAPACK_LIBRARY", self.spec["scalapack"].libs.joined(";")),
        ]

    def setup_run_environment(self, env):
        env.set("CDSR_HOME", self.prefix.share.cdsr)

    def test_deck(self):
        """the smallest deck proves itself"""
        cdsr = which(self.prefix.bin.cdsr, required=True)
        said = cdsr("bench", "--deck", "tiny", output=str.split, error=str.split)
        assert said.strip().splitlines()[-1] == "VALID"
