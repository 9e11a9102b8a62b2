/* parallel-launcher.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#if !defined (PARALLEL_INSIDE) && !defined (PARALLEL_COMPILATION)
# error "Only <parallel-glib/parallel.h> can be included directly."
#endif

#include <gio/gio.h>

#include <parallel-glib/parallel-version-macros.h>

G_BEGIN_DECLS

#define PARALLEL_TYPE_LAUNCHER (parallel_launcher_get_type ())

PARALLEL_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (ParallelLauncher, parallel_launcher, PARALLEL, LAUNCHER, GObject)

PARALLEL_AVAILABLE_IN_ALL
ParallelLauncher   *parallel_launcher_new_prefix             (const char * const *argv) G_GNUC_WARN_UNUSED_RESULT;

PARALLEL_AVAILABLE_IN_ALL
ParallelLauncher   *parallel_launcher_new_ssh                (const char         *host,
                                                              const char * const *options) G_GNUC_WARN_UNUSED_RESULT;

PARALLEL_AVAILABLE_IN_ALL
ParallelLauncher   *parallel_launcher_new_slurm              (const char * const *options) G_GNUC_WARN_UNUSED_RESULT;

PARALLEL_AVAILABLE_IN_ALL
const char * const *parallel_launcher_get_argv               (ParallelLauncher   *self);

PARALLEL_AVAILABLE_IN_ALL
gboolean            parallel_launcher_get_joins_arguments    (ParallelLauncher   *self);

PARALLEL_AVAILABLE_IN_ALL
void                parallel_launcher_set_joins_arguments    (ParallelLauncher   *self,
                                                              gboolean            joins_arguments);

PARALLEL_AVAILABLE_IN_ALL
gboolean            parallel_launcher_get_trusts_exit_status (ParallelLauncher   *self);

PARALLEL_AVAILABLE_IN_ALL
void                parallel_launcher_set_trusts_exit_status (ParallelLauncher   *self,
                                                              gboolean            trusts_exit_status);

PARALLEL_AVAILABLE_IN_ALL
const char * const *parallel_launcher_get_unset_variables    (ParallelLauncher   *self);

PARALLEL_AVAILABLE_IN_ALL
void                parallel_launcher_set_unset_variables    (ParallelLauncher   *self,
                                                              const char * const *unset_variables);

PARALLEL_AVAILABLE_IN_ALL
const char * const *parallel_launcher_get_cancel_argv        (ParallelLauncher   *self);

PARALLEL_AVAILABLE_IN_ALL
void                parallel_launcher_set_cancel_argv        (ParallelLauncher   *self,
                                                              const char * const *cancel_argv);

PARALLEL_AVAILABLE_IN_ALL
const char         *parallel_launcher_get_agent              (ParallelLauncher   *self);

PARALLEL_AVAILABLE_IN_ALL
void                parallel_launcher_set_agent              (ParallelLauncher   *self,
                                                              const char         *agent);

PARALLEL_AVAILABLE_IN_ALL
double              parallel_launcher_get_heartbeat_timeout  (ParallelLauncher   *self);

PARALLEL_AVAILABLE_IN_ALL
void                parallel_launcher_set_heartbeat_timeout  (ParallelLauncher   *self,
                                                              double              heartbeat_timeout);

PARALLEL_AVAILABLE_IN_ALL
double              parallel_launcher_get_patience           (ParallelLauncher   *self);

PARALLEL_AVAILABLE_IN_ALL
void                parallel_launcher_set_patience           (ParallelLauncher   *self,
                                                              double              patience);

PARALLEL_AVAILABLE_IN_ALL
char               *parallel_launcher_dup_status             (ParallelLauncher   *self);

PARALLEL_AVAILABLE_IN_ALL
guint               parallel_launcher_get_n_slots            (ParallelLauncher   *self);

PARALLEL_AVAILABLE_IN_ALL
gboolean            parallel_launcher_get_connect_back       (ParallelLauncher   *self);

PARALLEL_AVAILABLE_IN_ALL
void                parallel_launcher_set_connect_back       (ParallelLauncher   *self,
                                                              gboolean            connect_back);

PARALLEL_AVAILABLE_IN_ALL
const char         *parallel_launcher_get_address            (ParallelLauncher   *self);

PARALLEL_AVAILABLE_IN_ALL
void                parallel_launcher_set_address            (ParallelLauncher   *self,
                                                              const char         *address);

G_END_DECLS
