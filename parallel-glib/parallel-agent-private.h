/* parallel-agent-private.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The program parallel-glib-agent. A runner whose task has a launcher starts for each of its workers
 *
 *     parallel-glib-agent relay SPEC LAUNCHER…
 *
 * in the place of the worker. That starts, by the launcher, on some other machine
 *
 *     parallel-glib-agent serve
 *
 * which starts the worker there. What the worker reads and writes passes through both, so that neither the runner nor the
 * worker knows of them; see parallel-agent-link.h for what they say to each other. For commands the worker is
 *
 *     parallel-glib-agent commands
 *
 * which runs one program for each of its steps.
 *
 * SPEC is a dictionary as text: argv aay, [cwd ay], [environ aay] of the worker; deadline d, seconds without a sign of life
 * after which the other side is lost; [address s] to wait at for the agent's own connection; [cancel aas: commands
 * as of ParallelLauncher:cancel-argv]; place s, for messages; trusted b, whether
 * the launcher's exit status says something.
 *
 * Both halves live in the engine thread; the main thread only waits. */

/* Engine thread. Each ends the program by itself. */
void parallel_agent_relay_begin (const char         *spec,
                                 char              **launcher);
void parallel_agent_serve_begin (void);

/* Main thread: the exit status. */
int  parallel_agent_commands    (int                 argc,
                                 char              **argv);

/* A program was killed. Where all programs of a place are killed, and this one comes next, that is the reason to be told:
 * so much time, in microseconds, shows whether it does. */
#define PARALLEL_AGENT_KILLED_TIME (100 * 1000)

/* Ends this program as its worker has ended. */
void parallel_agent_exit_as     (int                 wait_status) G_GNUC_NORETURN;

G_END_DECLS
