# SPDX-License-Identifier: MIT
# suite.py: runs the public Autobahn suite, which is written for Python 2.7, from a folder that pip
# has filled: as a client against URL, or as a server on a free port, which it tells. The reports go
# to OUT.
#
#   suite.py LIB OUT client URL
#   suite.py LIB OUT server
import site
import socket
import sys

lib, out, mode = sys.argv[1:4]
site.addsitedir(lib)
sys.path.insert(0, lib)

from autobahntestsuite import fuzzing  # noqa: E402
from twisted.internet import reactor  # noqa: E402

# 8 is empty, 12 and 13 are compression, which is not offered.
CASES = ["%d.*" % n for n in (1, 2, 3, 4, 5, 6, 7, 9, 10)]

spec = {"outdir": out, "cases": CASES, "exclude-cases": [], "exclude-agent-cases": {},
        "options": {"failByDrop": False}}

if mode == "client":
    spec["servers"] = [{"agent": "luamcp", "url": sys.argv[4]}]
    spec["options"]["version"] = 18
    fuzzing.startClient(spec)
else:
    probe = socket.socket()
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
    probe.close()
    spec["url"] = "ws://127.0.0.1:%d" % port
    fuzzing.startServer(spec, 0)
    sys.stderr.write("suite answers at http://127.0.0.1:%d/\n" % port)
reactor.run()
