# shellcheck shell=bash disable=SC2015,SC2317 # complain never fails; tests are called by their names
# The recipes of jobs/install as far as they can be looked at without Spack, EasyBuild, ReFrame and Apptainer: what
# these give them is played by a few lines of Python.
. "$(dirname "$0")/common.bash"
recipes=$(cd "$(dirname "$0")/../../jobs/install" && pwd)
command -v python3 >/dev/null || skip 'there is no python3'
version=$("$CDSR" --version | sed -n 's/^cdsr //p')

python() {
    python3 -I -B - "$recipes" "$version" >"$work/out" 2>"$work/err" || complain "$(cat "$work/err")"
}

test_spack() { # package.py is a class of directives, with this version, all libraries, and arguments for CMake.
    python <<'PYTHON'
import re, sys, types
folder, version = sys.argv[1:]
needed, versions = [], []
class CMakePackage:
    define = staticmethod(lambda name, value: f'-D{name}={value}')
package = types.ModuleType('spack.package')
package.depends_on = lambda spec, type=None: needed.append(re.split('[@ +]', spec)[0])
package.version = versions.append
package.license = lambda name: None
package.which = None
cmake = types.ModuleType('spack_repo.builtin.build_systems.cmake')
cmake.CMakePackage, cmake.generator = CMakePackage, lambda name: None
for name in 'spack', 'spack_repo', 'spack_repo.builtin', 'spack_repo.builtin.build_systems':
    sys.modules[name] = types.ModuleType(name)
sys.modules |= {'spack.package': package, cmake.__name__: cmake}
scope = {}
exec(compile(open(folder + '/package.py').read(), 'package.py', 'exec'), scope)
assert versions == [version], versions
modules = re.findall(r'pkg_\w+\(\w+ REQUIRED IMPORTED_TARGET (\S+)\)', open(folder + '/../../CMakeLists.txt').read())
known = {'libcrypto': 'openssl', 'yaml-0.1': 'libyaml', 'libcurl': 'curl', 'zlib': 'zlib-api', 'libjpeg': 'jpeg'}
missing = {known.get(m, m) for m in modules} | {'mpi', 'hdf5', 'blas', 'scalapack', 'libunistring'}
missing -= set(needed)
assert len(modules) >= 8 and not missing, missing
class Any:
    mpicc = 'mpicc'
    libs = property(lambda self: self)
    def joined(self, mark): return 'lib.so'
recipe = scope['Cdsr']()
recipe.spec = {name: Any() for name in needed}
assert '-DSCALAPACK_LIBRARY=lib.so' in recipe.cmake_args()
PYTHON
}

test_easybuild() { # The easyconfig has what EasyBuild asks of one, and its name says version and toolchain.
    python <<'PYTHON'
import glob, os, sys
folder, version = sys.argv[1:]
path, = glob.glob(folder + '/*.eb')
c = {'SYSTEM': {'name': 'system'}, 'SOURCE_TAR_GZ': '%(name)s-%(version)s.tar.gz'}
exec(compile(open(path).read(), path, 'exec'), c)
for name in 'easyblock', 'homepage', 'description', 'moduleclass', 'sources', 'sanity_check_paths':
    assert c[name], name
assert c['version'] == version
wanted = '{name}-{version}-{toolchain[name]}-{toolchain[version]}.eb'.format(**c)
assert os.path.basename(path) == wanted, wanted
assert set(c['sanity_check_paths']) == {'files', 'dirs'}
assert all(2 <= len(d) <= 4 for d in c['dependencies'] + c['builddependencies'])
PYTHON
}

test_reframe() { # The test takes its figures from the lines of a deck, and only with VALID.
    python <<'PYTHON'
import re, sys, types
folder, version = sys.argv[1:]
out = 'FOM train 1234.5 sequences/s\nFOM rank 99 users/s\nFOM io 1.5e-1 GB/s\nVALID\n'
rfm, sanity = types.ModuleType('reframe'), types.ModuleType('reframe.utility.sanity')
rfm.simple_test = lambda test: test
class RunOnlyRegressionTest:
    stdout = out
rfm.RunOnlyRegressionTest = RunOnlyRegressionTest
def extractsingle(pattern, text, tag, convert):
    return convert(re.search(pattern, text, re.M).group(tag))
sanity.extractsingle = extractsingle
sanity.assert_found = lambda pattern, text: bool(re.search(pattern, text, re.M))
utility = types.ModuleType('reframe.utility')
utility.sanity, rfm.utility = sanity, utility
sys.modules |= {'reframe': rfm, 'reframe.utility': utility, 'reframe.utility.sanity': sanity}
scope = {'__name__': 'reframe_cdsr', 'parameter': list, 'variable': lambda kind, value: value,
         'run_before': lambda stage: lambda f: f, 'sanity_function': lambda f: f,
         'performance_function': lambda unit: lambda f: f}
exec(compile(open(folder + '/reframe_cdsr.py').read(), 'reframe_cdsr.py', 'exec'), scope)
test = scope['CdsrDeck']()
test.current_partition = types.SimpleNamespace(processor=types.SimpleNamespace(num_cores=8))
test.one_rank_per_core()
assert test.num_tasks == 8 and test.executable_opts[0] == 'bench', vars(test)
assert (test.train(), test.rank(), test.io()) == (1234.5, 99, 0.15)
assert test.proves_itself()
test.stdout = out.replace('VALID', 'INVALID: losses')
assert not test.proves_itself()
PYTHON
}

test_apptainer() { # The sections of the definition that are scripts are such.
    for section in post test runscript environment; do
        sed -n "/^%$section\$/,/^%[a-z]*\$/p" "$recipes/cdsr.def" | grep -v '^%' >"$work/section"
        [ -s "$work/section" ] && sh -n "$work/section" || complain "section $section"
    done
    has section CDSR_HOME=
    grep -qx "    org.opencontainers.image.version $version" "$recipes/cdsr.def" || complain 'its version'
}

run_tests "$@"
