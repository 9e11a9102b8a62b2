/* shell-dump.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <parallel-glib/parallel.h>

#include "shell-bar.h"

G_BEGIN_DECLS

typedef struct _ShellDump ShellDump;

ShellDump *shell_dump_new   (ParallelBackgroundTaskRunner *runner);

/* Says on the standard error what the runner is doing. Never waits; what is asked for while
 * it is being written follows once, however often it is asked for. @bar is %NULL if none is shown. */
void       shell_dump_write (ShellDump                    *self,
                             ShellBar                     *bar);

/* Waits until what is being written is written. */
void       shell_dump_free  (ShellDump                    *self);

G_END_DECLS
