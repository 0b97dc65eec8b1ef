#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""deploy/'s scripts say what they do and leave nothing behind.

They run in a copy of deploy/ with stand-ins for apt, dpkg-query, pip, cmake and
our two programs, so that every way out can be taken in a moment.
"""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]

ALL_INSTALLED = "printf installed"
# pip, asked for by `python3 -m pip install … --target FOLDER`.
PIP = """[[ "$*" == "-m pip --version" ]] && exit
echo "$(basename "$0") $*" >>"$EVENTS"
while [[ $# -gt 0 && "$1" != --target ]]; do shift; done
mkdir -p "$2" && touch "$2/library"
"""
SERVE = """trap 'echo stopped >>"$EVENTS"; exit 0' TERM
echo "$$" >"$EVENTS"
echo '{"message":"serving","grpc_address":"127.0.0.1:41","http_address":"127.0.0.1:42"}' >&2
while true; do sleep 0.05; done"""


class ScriptTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        shutil.copytree(ROOT / "deploy", self.root / "deploy")
        self.events = self.root / "events"
        self.environment = os.environ | {
            "PATH": f"{self.root}/bin:{os.environ['PATH']}",
            "EVENTS": str(self.events),
            "TMPDIR": str(self.root),
            "BACKPROP_OPENBLAS": "",
        }
        self.stand_in("bin/dpkg-query", ALL_INSTALLED)
        self.stand_in("bin/apt-get", 'echo "apt-get $*" >>"$EVENTS"')
        self.stand_in("bin/sudo", 'exec "$@"')
        self.stand_in("bin/python3", PIP)
        self.lead_to_stand_in("install_openblas.sh", "/usr/bin/python3", "debian/python3", "exit 1")
        self.openblas(installed="0.3.29")

    def stand_in(self, name: str, body: str) -> None:
        """Makes an executable of these lines of bash."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/usr/bin/env bash\n{body}\n")
        path.chmod(0o755)

    def lead_to_stand_in(self, script: str, path: str, name: str, body: str) -> None:
        """Makes the copy of a script start a stand-in instead of what lies at this path."""
        self.stand_in(name, body)
        copy = self.root / "deploy" / script
        text = copy.read_text()
        self.assertIn(path, text)
        copy.write_text(text.replace(path, str(self.root / name)))

    def openblas(self, installed: str = "", offered: str = "") -> None:
        """What the distribution has of it: what pkg-config and what apt says."""
        self.stand_in("bin/pkg-config", f"[[ -n '{installed}' ]] && echo '{installed}'")
        self.stand_in("bin/apt-cache", f"printf 'Package: libopenblas-pthread-dev\\nVersion: {offered}\\n'")

    def start(self, script: str, *arguments: str) -> subprocess.Popen:
        return subprocess.Popen(
            [str(self.root / "deploy" / script), *arguments], env=self.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )

    def finish(self, process: subprocess.Popen) -> subprocess.CompletedProcess:
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def run_script(self, script: str, *arguments: str) -> subprocess.CompletedProcess:
        return self.finish(self.start(script, *arguments))

    def happened(self) -> list[str]:
        return self.events.read_text().splitlines() if self.events.exists() else []


class InstallPackagesTest(ScriptTest):
    def test_nothing_is_said_or_done_when_nothing_is_missing(self) -> None:
        done = self.run_script("install_packages.sh", "build", "run", "test", "data")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        self.assertEqual(self.happened(), [])

    def test_only_what_is_missing_is_named_then_installed(self) -> None:
        self.stand_in("bin/dpkg-query",
                      '[[ "${@: -1}" == cmake ]] && exit 1; '
                      '[[ "${@: -1}" == g++ ]] && printf config-files || printf installed')
        done = self.run_script("install_packages.sh", "build")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(": cmake g++\n", done.stdout)
        update, install = self.happened()
        self.assertIn(" update", " " + update)
        self.assertTrue(install.startswith("apt-get install "), install)
        self.assertEqual({"cmake", "g++", "git"} & set(install.split()), {"cmake", "g++"})

    def test_a_failed_installation_is_a_failure(self) -> None:
        self.stand_in("bin/dpkg-query", "exit 1")
        self.stand_in("bin/apt-get", "exit 100")
        self.assertNotEqual(self.run_script("install_packages.sh", "build").returncode, 0)

    def test_an_unknown_list_is_refused_naming_those_there_are(self) -> None:
        done = self.run_script("install_packages.sh", "build", "bulid")
        self.assertEqual(done.returncode, 1)
        self.assertIn("bulid", done.stderr)
        self.assertIn("build", done.stderr.split("the lists are:")[1])

    def test_lists_are_sorted_and_repeat_nothing(self) -> None:
        for path in (ROOT / "deploy/packages").iterdir():
            names = [line for line in path.read_text().splitlines() if not line.startswith("#")]
            self.assertEqual(names, sorted(set(names)), path.name)


    def test_an_openblas_belongs_to_the_build_alone(self) -> None:
        self.openblas()
        self.assertEqual(self.run_script("install_packages.sh", "test", "run").stdout, "")
        self.assertEqual(self.happened(), [])
        self.assertIn("OpenBLAS", self.run_script("install_packages.sh", "test", "build").stdout)
        self.assertIn("pip install", self.happened()[0])


class InstallOpenBlasTest(ScriptTest):
    """What is installed, where and when; which of two a build takes is CMake's to say."""

    def setUp(self) -> None:
        super().setUp()
        self.openblas(installed="0.3.21", offered="0.3.21+ds-4")
        self.folder = self.root / "build/openblas"

    def install(self, choice: str = "") -> subprocess.CompletedProcess:
        self.events.unlink(missing_ok=True)
        self.environment["BACKPROP_OPENBLAS"] = choice
        return self.run_script("install_openblas.sh")

    def assert_nothing_is_done(self, choice: str = "") -> None:
        done = self.install(choice)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        self.assertEqual(self.happened(), [])

    def assert_pip_installs(self, choice: str = "") -> None:
        done = self.install(choice)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("build/openblas", done.stdout)
        (pip,) = self.happened()
        for words in ("-m pip install ", " --require-hashes ", f"--requirement {self.root}/deploy/openblas_wheel.txt "):
            self.assertIn(words, pip)
        self.assertTrue((self.folder / "library").exists())
        self.assertEqual([path.name for path in self.folder.parent.iterdir()], ["openblas"])

    def assert_apt_installs(self, done: subprocess.CompletedProcess) -> None:
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(" libopenblas-pthread-dev", self.happened()[-1])
        self.assertFalse(self.folder.exists())

    def test_where_the_distributions_is_new_enough_nothing_is_done(self) -> None:
        for version in ("0.3.29", "0.3.30", "0.10.0", "1.0"):
            self.openblas(installed=version)
            self.assert_nothing_is_done()

    def test_the_distributions_is_installed_where_it_would_be_new_enough(self) -> None:
        self.openblas(offered="0.3.29+ds-3")
        self.stand_in("bin/dpkg-query", "exit 1")
        self.assert_apt_installs(self.install())
        self.assertNotIn("pip", " ".join(self.happened()))

    def test_else_the_wheel_is_once(self) -> None:
        self.assert_pip_installs()
        self.assert_nothing_is_done()
        self.assert_nothing_is_done("wheel")

    def test_another_pin_installs_it_anew(self) -> None:
        self.assert_pip_installs()
        (self.folder / "of_the_old_one").touch()
        with (self.root / "deploy/openblas_wheel.txt").open("a") as pins:
            pins.write("# another\n")
        self.assert_pip_installs()
        self.assertFalse((self.folder / "of_the_old_one").exists())

    def test_where_pip_fails_the_distributions_is_installed_and_that_is_said(self) -> None:
        self.stand_in("bin/python3", f"{PIP}\necho unreachable >&2; exit 1")
        self.stand_in("bin/dpkg-query", "exit 1")
        done = self.install()
        self.assert_apt_installs(done)
        for words in ("unreachable", "distribution's, older than 0.3.29", "twice the time"):
            self.assertIn(words, done.stderr)
        self.assertEqual(list(self.folder.parent.iterdir()), [])

    def test_where_nothing_can_be_installed_it_is_said_what_was_tried_first(self) -> None:
        self.stand_in("bin/python3", "exit 1")
        self.stand_in("bin/dpkg-query", "exit 1")
        self.stand_in("bin/apt-get", "exit 100")
        done = self.install()
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("with BACKPROP_OPENBLAS=distribution none does", done.stderr)

    def test_debians_python_is_asked_where_it_has_pip(self) -> None:
        self.stand_in("debian/python3", PIP.replace("$(basename", "debian/$(basename"))
        self.assertEqual(self.install().returncode, 0)
        self.assertRegex(self.happened()[0], "^debian/python3 -m pip install ")

    def test_what_pip_is_set_to_do_for_people_does_not_count(self) -> None:
        self.environment |= {"PIP_USER": "1", "PIP_REQUIRE_VIRTUALENV": "1"}
        self.stand_in("bin/python3", f'{PIP}\necho "$PIP_USER$PIP_REQUIRE_VIRTUALENV" >>"$EVENTS"')
        self.assertEqual(self.install().returncode, 0)
        self.assertEqual(self.happened()[1], "00")

    def test_where_the_wheel_is_asked_for_it_is_that_or_nothing(self) -> None:
        self.openblas(installed="0.3.29")
        self.assert_pip_installs("wheel")
        shutil.rmtree(self.folder)
        self.stand_in("bin/python3", "exit 1")
        done = self.install("wheel")
        self.assertEqual(done.returncode, 1)
        self.assertIn("BACKPROP_OPENBLAS asks for it", done.stderr)
        self.assertFalse(self.folder.exists())

    def test_where_the_distributions_is_asked_for_pip_is_not(self) -> None:
        self.assert_nothing_is_done("distribution")
        self.stand_in("bin/dpkg-query", "exit 1")
        self.assert_apt_installs(self.install("distribution"))
        self.assertNotIn("pip", " ".join(self.happened()))

    def test_another_choice_is_refused_naming_those_there_are(self) -> None:
        done = self.install("newest")
        self.assertEqual((done.returncode, self.happened()), (1, []))
        self.assertIn("'newest'; use distribution or wheel", done.stderr)


class GatherLibrariesTest(ScriptTest):
    """Of a program that every Debian has, with the real dpkg-query and ldd."""

    def setUp(self) -> None:
        super().setUp()
        (self.root / "bin/dpkg-query").unlink()
        self.folder = self.root / "gathered"

    def gather(self) -> subprocess.CompletedProcess:
        return self.run_script("gather_libraries.sh", "/usr/bin/ls", str(self.folder))

    def test_each_library_stands_where_the_program_looks_for_it(self) -> None:
        done = self.gather()
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        linked = subprocess.run(["ldd", "/usr/bin/ls"], check=True, capture_output=True, text=True).stdout
        libraries = re.findall(r"/\S+", linked)
        self.assertGreater(len(libraries), 2)
        for library in libraries:
            # A link of the folder leads on within it, as if it were the root.
            first, rest = pathlib.Path(library).parts[1], pathlib.Path(library).parts[2:]
            self.assertEqual((self.folder / (self.folder / first).readlink()).joinpath(*rest).read_bytes(),
                             pathlib.Path(library).read_bytes())

    def test_each_package_has_its_licence_and_its_record_and_no_other_file(self) -> None:
        self.gather()
        packages = {path.name for path in (self.folder / "usr/share/doc").iterdir()}
        self.assertLessEqual({"base-files", "libc6"}, packages)
        records = {path.name: path.read_text() for path in (self.folder / "var/lib/dpkg/status.d").iterdir()}
        self.assertEqual(set(records), packages)
        self.assertRegex(records["libc6"], r"(?m)^Package: libc6$")
        names = {path.name for path in self.folder.rglob("*")
                 if path.is_file() and path.parent.name != "common-licenses"}
        self.assertEqual({name for name in names if ".so" not in name},
                         packages | {"copyright", "debian_version", "os-release"})

    def test_scanners_find_the_release(self) -> None:
        self.gather()
        for path in ("etc/debian_version", "usr/lib/os-release", "etc/os-release"):
            self.assertEqual((self.folder / path).read_text(), pathlib.Path("/", path).read_text())
        self.assertEqual((self.folder / "etc/os-release").readlink(), pathlib.Path("../usr/lib/os-release"))

    def test_each_licence_that_a_package_refers_to_is_there(self) -> None:
        self.gather()
        named = {path for copyright_file in (self.folder / "usr/share/doc").glob("*/copyright")
                 for path in re.findall(r"/(usr/share/common-licenses/[\w.+-]*\w)", copyright_file.read_text())}
        self.assertGreater(len(named), 2)
        for path in named:
            self.assertEqual((self.folder / path).read_text(), pathlib.Path("/", path).read_text())

    def assert_fails(self, why: str) -> None:
        done = self.gather()
        self.assertEqual(done.returncode, 1)
        self.assertIn(why, done.stderr)

    def test_a_library_that_is_from_no_package_is_a_failure_that_names_it(self) -> None:
        real = shutil.which("dpkg-query")
        self.stand_in("bin/dpkg-query", f'[[ "$1" != --search ]] && exec {real} "$@"; exit 1')
        self.assertRegex(self.gather().stderr, r"/lib\S+ is from no package")
        self.assert_fails("is from no package")

    def test_a_library_that_is_from_two_packages_is_a_failure_that_names_them(self) -> None:
        real = shutil.which("dpkg-query")
        self.stand_in("bin/dpkg-query", f'[[ "$1" != --search ]] && exec {real} "$@"; '
                      'printf "one:amd64: /lib/x\\ntwo: /lib/x\\n"')
        self.assert_fails("is from several packages: one two")

    def test_a_diversion_is_no_package(self) -> None:
        real = shutil.which("dpkg-query")
        self.stand_in("bin/dpkg-query", f"""if [[ "$1" == --search ]]; then
  echo 'diversion by libc6 from: /lib64/ld-linux-x86-64.so.2'
  echo 'diversion by libc6 to: /lib64/ld-linux-x86-64.so.2.usr-is-merged'
fi
exec {real} "$@\"""")
        done = self.gather()
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertFalse([path for path in (self.folder / "usr/share/doc").iterdir() if " " in path.name])

    def test_what_the_program_brings_itself_is_not_gathered(self) -> None:
        own = self.root / "lib/backpropd/libown.so.1"
        own.parent.mkdir(parents=True)
        own.touch()
        linked = subprocess.run(["ldd", "/usr/bin/ls"], check=True, capture_output=True, text=True).stdout
        self.stand_in("bin/ldd", f"cat <<'END'\n{linked}\tlibown.so.1 => {own} (0x1)\nEND")
        done = self.gather()
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(list(self.folder.rglob("libown*")), [])

    def test_a_library_that_is_missing_is_a_failure_that_names_it(self) -> None:
        self.stand_in("bin/ldd", "echo 'libabsent.so.1 => not found'")
        self.assert_fails("libabsent.so.1")


class BuildTest(ScriptTest):
    def build(self, steps: int) -> str:
        """What building says of so many steps."""
        self.stand_in("bin/cmake", f"""if [[ "$*" != *" -n" ]]; then echo "cmake $*" >>"$EVENTS"; exit; fi
for ((i = 1; i <= {steps}; ++i)); do echo "[$i/{steps}] Building"; done""")
        self.environment["BACKPROP_JOBS"] = "2"
        done = self.run_script("build.sh", "release", "backpropd")
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_a_cold_build_says_how_much_there_is_to_do_and_how_long_it_takes(self) -> None:
        self.assertIn("preset release: 90 steps, 1 min 30 s with 2 compilers", self.build(90))
        self.assertEqual(self.happened(), ["cmake --preset release",
                                           "cmake --build --preset release --parallel 2 --target backpropd"])

    def test_where_there_is_nothing_to_build_nothing_is_said(self) -> None:
        self.assertEqual(self.build(0), "")


class QuickstartTest(ScriptTest):
    def setUp(self) -> None:
        super().setUp()
        self.stand_in("bin/cmake", "exit 0")
        self.stand_in("build/server/backpropd", SERVE)
        self.stand_in("build/client/cli/backprop", 'echo "trained $*"')

    def server_runs(self) -> bool:
        try:
            os.kill(int(self.happened()[0]), 0)
        except ProcessLookupError:
            return False
        return True

    def assert_server_was_stopped(self) -> None:
        self.assertIn("stopped", self.happened())
        self.assertFalse(self.server_runs())

    def test_it_trains_against_the_server_it_started_and_stops_it(self) -> None:
        done = self.run_script("quickstart.sh")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("trained --address 127.0.0.1:41 train ", done.stdout)
        self.assert_server_was_stopped()
        self.assertEqual(list(self.root.glob("*.log")), [])

    def test_failed_training_is_a_failure_and_stops_the_server(self) -> None:
        self.stand_in("build/client/cli/backprop", "exit 1")
        done = self.run_script("quickstart.sh", "--keep")
        self.assertEqual(done.returncode, 1)
        self.assertIn("serving", done.stderr)
        self.assert_server_was_stopped()

    def test_a_failed_build_is_a_failure(self) -> None:
        self.stand_in("bin/cmake", "exit 1")
        self.assertEqual(self.run_script("quickstart.sh").returncode, 1)
        self.assertEqual(self.happened(), [])

    def test_a_server_that_does_not_start_is_a_failure_that_shows_why(self) -> None:
        self.stand_in("build/server/backpropd", "echo no such port >&2; exit 1")
        done = self.run_script("quickstart.sh")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no such port", done.stderr)

    def test_a_server_that_ends_badly_is_a_failure(self) -> None:
        self.stand_in("build/server/backpropd", SERVE.replace("exit 0", "exit 3"))
        done = self.run_script("quickstart.sh")
        self.assertEqual(done.returncode, 1)
        self.assertIn("status 3", done.stderr)

    def test_an_interrupt_stops_the_server(self) -> None:
        self.stand_in("build/client/cli/backprop", 'echo training >>"$EVENTS"; sleep 30')
        process = self.start("quickstart.sh")
        deadline = time.monotonic() + 30
        while "training" not in self.happened() and time.monotonic() < deadline:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        self.assertEqual(self.finish(process).returncode, 130)
        self.assert_server_was_stopped()

    def test_keep_leaves_the_server_and_says_where_it_is(self) -> None:
        done = self.run_script("quickstart.sh", "--keep")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(self.server_runs())
        for place in ("127.0.0.1:41", "http://127.0.0.1:42/metrics", "http://127.0.0.1:42/healthz",
                      f"kill {self.happened()[0]}"):
            self.assertIn(place, done.stdout)
        os.kill(int(self.happened()[0]), signal.SIGTERM)
        # It writes into the folder until it has gone.
        while self.server_runs():
            time.sleep(0.01)

    def test_an_unknown_flag_is_refused(self) -> None:
        self.assertEqual(self.run_script("quickstart.sh", "--kepe").returncode, 2)
        done = self.run_script("quickstart.sh", "--help")
        self.assertEqual(done.returncode, 0)
        self.assertIn("--keep", done.stdout)


if __name__ == "__main__":
    unittest.main()
