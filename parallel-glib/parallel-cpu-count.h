/* parallel-cpu-count.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* How many processors this program may use: by its affinity and by the quota of its control
 * group, at least 1. */
guint parallel_cpu_count (void);

G_END_DECLS
