/* shell-run.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "shell-options.h"

G_BEGIN_DECLS

/* Runs it all and reports; returns the exit status of the program. */
int shell_run (const ShellOptions *options);

G_END_DECLS
