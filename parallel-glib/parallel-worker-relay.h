/* parallel-worker-relay.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "parallel-launcher-private.h"

G_BEGIN_DECLS

/* The command that is started here in the place of a worker that a launcher runs elsewhere; see parallel-agent-private.h.
 * @env and @cwd: the worker's; NULL for those that the launcher gives it. */
char       **parallel_worker_relay_dup_argv  (ParallelLauncher      *launcher,
                                              const ParallelPlace   *place,
                                              const char * const    *argv,
                                              const char * const    *env,
                                              const char            *cwd);
/* The program parallel-glib-agent on this machine. */
const char  *parallel_worker_relay_get_agent (void);

G_END_DECLS
