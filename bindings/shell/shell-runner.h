/* shell-runner.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "shell-options.h"

G_BEGIN_DECLS

/* A runner that does what the options say. */
ParallelBackgroundTaskRunner *shell_runner_new   (const ShellOptions           *options);

/* Whether as many steps as it may run at a time can have their descriptors; says why if not. */
gboolean                      shell_runner_check (ParallelBackgroundTaskRunner *runner);

G_END_DECLS
