/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_POLICY_PARSE_H
#define BATON_POLICY_PARSE_H 1

/* From the items of a YAML file to a policy.  Only policy_load() calls it. */

struct policy;
struct yaml_reader;

/* Fills in 'policy', which holds the defaults, from 'reader', into which
 * errors go.  After an error 'policy' is incomplete, but can be destroyed. */
void policy_parse(struct policy *, struct yaml_reader *);

#endif /* lib/policy-parse.h */
