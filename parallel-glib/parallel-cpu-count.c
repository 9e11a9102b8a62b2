/* parallel-cpu-count.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-cpu-count.h"

#include <stdio.h>
#include <string.h>

/* The path of this program's group in the hierarchy of @controller, NULL for the one of version
 * 2. */
static char *
get_group (const char *controller)
{
  g_autofree char *contents = NULL;
  g_auto (GStrv) lines = NULL;

  if (!g_file_get_contents ("/proc/self/cgroup", &contents, NULL, NULL))
    return NULL;

  lines = g_strsplit (contents, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      g_auto (GStrv) fields = g_strsplit (lines[i], ":", 3);
      g_auto (GStrv) controllers = NULL;

      if (g_strv_length (fields) < 3)
        continue;
      controllers = g_strsplit (fields[1], ",", -1);
      if (controller == NULL ? fields[1][0] == '\0' : g_strv_contains ((const char * const *) controllers, controller))
        return g_strdup (fields[2]);
    }
  return NULL;
}

static double
read_number (const char *folder,
             const char *name)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  g_autofree char *contents = NULL;

  return g_file_get_contents (path, &contents, NULL, NULL) ? g_ascii_strtod (contents, NULL) : 0;
}

/* The processors that one group allows; 0 for no quota. */
static double
get_quota (const char *folder,
           gboolean    version_2)
{
  double quota = 0;
  double period = 0;

  if (version_2)
    {
      g_autofree char *path = g_build_filename (folder, "cpu.max", NULL);
      g_autofree char *contents = NULL;

      if (!g_file_get_contents (path, &contents, NULL, NULL) ||
          sscanf (contents, "%lf %lf", &quota, &period) != 2)
        return 0;
    }
  else
    {
      quota = read_number (folder, "cpu.cfs_quota_us");
      period = read_number (folder, "cpu.cfs_period_us");
    }
  return quota > 0 && period > 0 ? quota / period : 0;
}

/* The smallest quota of the group and all above it. */
static double
get_smallest_quota (const char *root,
                    const char *group,
                    gboolean    version_2)
{
  g_autofree char *folder = g_build_filename (root, group, NULL);
  double smallest = 0;

  while (strlen (folder) >= strlen (root))
    {
      double quota = get_quota (folder, version_2);
      char *parent;

      if (quota > 0 && (smallest == 0 || quota < smallest))
        smallest = quota;
      parent = g_path_get_dirname (folder);
      g_free (folder);
      folder = parent;
    }
  return smallest;
}

guint
parallel_cpu_count (void)
{
  guint count = g_get_num_processors ();
  g_autofree char *unified = get_group (NULL);
  g_autofree char *cpu = get_group ("cpu");
  double quota = 0;

  if (cpu != NULL)
    quota = get_smallest_quota ("/sys/fs/cgroup/cpu", cpu, FALSE);
  else if (unified != NULL)
    quota = get_smallest_quota ("/sys/fs/cgroup", unified, TRUE);
  if (quota > 0)
    count = MIN (count, (guint) quota + (quota > (guint) quota ? 1 : 0));

  return MAX (count, 1);
}
