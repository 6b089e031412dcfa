"""System calls that a confined process has no use for, refused by the kernel (seccomp, Linux only).

A decoder that was taken over by its picture can then neither start programs, nor reach the network, nor touch
other processes, nor change files. Threads are allowed: libraries decode with them.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Callable, Mapping
from typing import Final

# From <linux/prctl.h>, <linux/seccomp.h> and <linux/audit.h>.
_PR_SET_SECCOMP: Final = 22
_FILTER: Final = 2
_ALLOW: Final = 0x7FFF0000
_ERRNO: Final = 0x00050000
_KILL: Final = 0x80000000
_ARCHITECTURES: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT: Final = 0x40000000

# Numbers on x86_64 and on aarch64, which has none of the older calls; None where there is no such call.
_REFUSED: Final[Mapping[str, tuple[int | None, int | None]]] = {
    # programs and processes
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "execveat": (322, 281),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "setsid": (112, 157),
    "setpgid": (109, 154),
    "unshare": (272, 97),
    "setns": (308, 268),
    # the network, and other ways to others
    "socket": (41, 198),
    "socketpair": (53, 199),
    "connect": (42, 203),
    "bind": (49, 200),
    "listen": (50, 201),
    "accept": (43, 202),
    "accept4": (288, 242),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    # files
    "creat": (85, None),
    "truncate": (76, 45),
    "ftruncate": (77, 46),
    "rename": (82, None),
    "renameat": (264, 38),
    "renameat2": (316, 276),
    "unlink": (87, None),
    "unlinkat": (263, 35),
    "mkdir": (83, None),
    "mkdirat": (258, 34),
    "rmdir": (84, None),
    "link": (86, None),
    "linkat": (265, 37),
    "symlink": (88, None),
    "symlinkat": (266, 36),
    "mknod": (133, None),
    "mknodat": (259, 33),
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "fchmodat2": (452, 452),
    "mount": (165, 40),
    "umount2": (166, 39),
    "chroot": (161, 51),
    "pivot_root": (155, 41),
    # doors of the kernel that were broken open more than once
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "kexec_load": (246, 104),
    "init_module": (175, 105),
    "finit_module": (313, 273),
}
# Those with another way that looks less far, which the caller then takes.
_UNKNOWN: Final = {"clone3": (435, 435), "openat2": (437, 437)}
_CLONE: Final = (56, 220)
_CLONE_THREAD: Final = 0x00010000
# The flags to open with for more than reading, and where they are among the arguments.
_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_OPEN: Final = ((2, 1), (None, 0))
_OPENAT: Final = ((257, 2), (56, 2))
# Signals: to itself only, as `abort` does.
_KILLS: Final = ((62, 129), (234, 131))
# Limits: its own only.
_PRLIMIT: Final = (302, 261)

# Of classic BPF, <linux/bpf_common.h>.
_LOAD: Final = 0x20
_JUMP_IF_EQUAL: Final = 0x15
_JUMP_IF_AT_LEAST: Final = 0x35
_JUMP_IF_SET: Final = 0x45
_RETURN: Final = 0x06
# Offsets in `struct seccomp_data`; lower halves of the arguments, both machines being little-endian.
_NUMBER: Final = 0
_ARCHITECTURE: Final = 4
_FIRST_ARGUMENT: Final = 16

_Instruction = tuple[int, int, int, int]


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def refuse(prctl: Callable[[int, int, int, int, int], int]) -> bool:
    """Refuse them to this process for ever, `no_new_privs` being set. False where that cannot be."""
    machine = platform.machine()
    if machine not in _ARCHITECTURES or struct.calcsize("P") != 8:
        return False
    instructions = _program(machine, os.getpid())
    packed = b"".join(struct.pack("<HBBI", *instruction) for instruction in instructions)
    program = _Program(len(instructions), packed)
    return prctl(_PR_SET_SECCOMP, _FILTER, ctypes.addressof(program), 0, 0) == 0


def _program(machine: str, own_pid: int) -> list[_Instruction]:
    """Loads the number of the call and looks for it; each finding ends with a verdict."""
    column = list(_ARCHITECTURES).index(machine)
    program: list[_Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_JUMP_IF_EQUAL, 1, 0, _ARCHITECTURES[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
    ]
    if machine == "x86_64":
        program += _if(_JUMP_IF_AT_LEAST, _X32_BIT, [_failing(errno.ENOSYS)])
    for numbers in _REFUSED.values():
        program += _on(numbers[column], [_failing(errno.EPERM)])
    for numbers in _UNKNOWN.values():
        program += _on(numbers[column], [_failing(errno.ENOSYS)])
    program += _on(_CLONE[column], _argument(0, _JUMP_IF_SET, _CLONE_THREAD, wanted=True))
    for number, argument in (_OPEN[column], _OPENAT[column]):
        program += _on(number, _argument(argument, _JUMP_IF_SET, _WRITING, wanted=False))
    for calls in _KILLS:
        program += _on(calls[column], _argument(0, _JUMP_IF_EQUAL, own_pid, wanted=True))
    program += _on(_PRLIMIT[column], _argument(0, _JUMP_IF_EQUAL, 0, wanted=True))
    return [*program, (_RETURN, 0, 0, _ALLOW)]


def _on(number: int | None, then: list[_Instruction]) -> list[_Instruction]:
    return [] if number is None else _if(_JUMP_IF_EQUAL, number, then)


def _if(jump: int, value: int, then: list[_Instruction]) -> list[_Instruction]:
    return [(jump, 0, len(then), value), *then]


def _argument(position: int, jump: int, value: int, *, wanted: bool) -> list[_Instruction]:
    """Allows the call if what is asked of its argument is as wanted."""
    yes, no = (_RETURN, 0, 0, _ALLOW), _failing(errno.EPERM)
    return [
        (_LOAD, 0, 0, _FIRST_ARGUMENT + 8 * position),
        (jump, 0, 1, value),
        yes if wanted else no,
        no if wanted else yes,
    ]


def _failing(number: int) -> _Instruction:
    return (_RETURN, 0, 0, _ERRNO | number)
