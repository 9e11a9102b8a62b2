/* remote-support.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "test-support.h"

G_BEGIN_DECLS

/* What the tests of steps behind a launcher share. The launcher starts its programs on this machine, so that all of their
 * processes can be seen here: whatever a test has started, by whatever way, has to be gone at its end. */

/* As test_add(), with that. */
void              remote_add            (const char       *path,
                                         GTestFunc         function);

/* "env", which becomes the program itself. */
ParallelLauncher *remote_launcher       (void);
/* @argv before the program, NULL-terminated. */
ParallelLauncher *remote_launcher_new   (const char       *argv,
                                         ...) G_GNUC_NULL_TERMINATED;
/* Takes @launcher; returns @task. */
ParallelTask     *remote_set            (ParallelTask     *task,
                                         ParallelLauncher *launcher);
/* A command for sh, by remote_launcher(). */
ParallelTask     *remote_shell          (const char       *format,
                                         ...) G_GNUC_PRINTF (1, 2);

/* Runs one step and gives it, ended well or not. Takes @task. */
ParallelStep     *remote_run            (ParallelTask     *task,
                                         const char       *input);

/* The processes that this test has started, apart from itself. */
guint             remote_count          (void);
/* The only "parallel-glib-agent @role" that there is; waits for it. */
int               remote_await_agent    (const char       *role);
guint             remote_count_agents   (const char       *role);
/* A child of the process @parent, which may be another test program's; 0: none. */
int               remote_find_child     (int               parent,
                                         const char       *role);
/* Reads a whole number as soon as the file has it, as test_await_number(), but not the same as @before. */
int               remote_await_other    (const char       *path,
                                         int               before);

/* Its processor time so far, seconds; the most memory that it ever had. */
double            remote_get_time       (int               pid);
gsize             remote_get_memory     (int               pid);

void              remote_assert_matches (ParallelStep     *step,
                                         const char       *pattern);

G_END_DECLS
