/* parallel-spawn-error.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "parallel-spawner.h"

G_BEGIN_DECLS

/* What keeps a program from being started: found out before it is tried, and put into words. All
 * errors are of G_SPAWN_ERROR, and all messages name the program or the folder. */

/* Returns the path of the program of @request, as the helper must execute it from within the
 * working directory, or NULL with an errno in @code. */
char     *parallel_spawn_find_program      (const ParallelSpawnRequest *request,
                                            int                        *code);

/* Returns 0, or the errno with which executing @path, relative to @cwd, would fail. */
int       parallel_spawn_check_program     (const char                 *path,
                                            const char                 *cwd);

gboolean  parallel_spawn_check_cwd         (const char                 *cwd,
                                            GError                    **error);

GError   *parallel_spawn_error_new         (GSpawnError                 code,
                                            const char                 *program,
                                            const char                 *format,
                                            ...) G_GNUC_PRINTF (3, 4);

/* The error for the errno of an execve() of the program, or of whatever has to be done before
 * it. */
GError   *parallel_spawn_error_for_errno   (const ParallelSpawnRequest *request,
                                            int                         code);

GError   *parallel_spawn_error_for_cwd     (const char                 *cwd,
                                            int                         code);

G_END_DECLS
