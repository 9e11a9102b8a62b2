/* shell-bar-stream.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "shell-bar.h"

G_BEGIN_DECLS

#define SHELL_TYPE_BAR_STREAM (shell_bar_stream_get_type ())

/* Writes to a terminal from whose last line the progress bar has to give way. It may be used in any
 * thread, by one at a time. The descriptor stays the caller's. */
G_DECLARE_FINAL_TYPE (ShellBarStream, shell_bar_stream, SHELL, BAR_STREAM, GOutputStream)

GOutputStream *shell_bar_stream_new (ShellBar *bar,
                                     int       fd);

G_END_DECLS
