/* parallel-process-group.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Whether the process group @pgid has no member that still runs. Members that have ended and wait for
 * somebody to reap them do not count: orphans are reaped by the system's first process, which in a
 * container may take its time or never do it. */
gboolean parallel_process_group_is_empty (int pgid);

G_END_DECLS
