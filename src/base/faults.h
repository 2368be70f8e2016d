/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Failures of allocation, system calls and the clock, on purpose: replaces entries of the table in
 * base/sys.h. Compiled only with the Meson option `faults`; then $MITOGEN_FAULTS is installed before
 * main, in every program and in the agent. Children inherit it.
 *
 * A specification is a list such as "seed=7,malloc=100,read_short=3,pipe2@2,waitpid@5+":
 *   KIND=N    one call in N, by chance; which ones follows from the seed and the number of the call
 *   KIND@N    the Nth call
 *   KIND@N+   the Nth call and all behind it
 * and the kinds are
 *   malloc                    allocations: no memory
 *   read_short, write_short   transfers: fewer bytes than there are
 *   eagain                    transfers: not now; where the descriptor does not block
 *   eintr                     transfers, poll and waitpid: a signal came
 *   socketpair, pipe2, socket, accept
 *                             too many open files
 *   fork                      too many processes
 *   pidfd_open                the kernel has none
 *   clock                     it jumps, by up to 100 ms
 * Transfers of 8 bytes or less wake somebody of our own process; no kernel lets these fail, and
 * neither does this.
 */
#pragma once

/* NULL: none. 0; or -1 if it cannot be understood, and nothing is changed. */
int faults_install(const char *specification);
