/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_TESTS_UNIT_H
#define BATON_TESTS_UNIT_H 1

/* What every unit test's main() does:
 *
 *     return unit_run("seal", tests, ARRAY_SIZE(tests));
 *
 * runs 'tests' as one CUnit suite, prints what failed and one line of totals,
 * and returns the exit code. */

#include <stddef.h>
#include <stdio.h>
#include <CUnit/Basic.h>

#define UNIT_SKIP 77 /* Exit code: cannot be tested here. */

struct unit_test {
    const char *name;
    void (*run)(void);
};

static inline int
unit_run(const char *suite_name, const struct unit_test *tests, size_t n)
{
    CU_pSuite suite;
    unsigned int failed;

    if (CU_initialize_registry() != CUE_SUCCESS
        || !(suite = CU_add_suite(suite_name, NULL, NULL))) {
        fprintf(stderr, "CUnit: %s\n", CU_get_error_msg());
        return 1;
    }
    for (size_t i = 0; i < n; i++) {
        if (!CU_add_test(suite, tests[i].name, tests[i].run)) {
            fprintf(stderr, "CUnit: %s\n", CU_get_error_msg());
            return 1;
        }
    }
    CU_basic_set_mode(CU_BRM_SILENT);
    CU_basic_run_tests();
    CU_basic_show_failures(CU_get_failure_list());
    failed = CU_get_number_of_tests_failed();
    printf("%s: %u tests, %u failed, %u checks\n", suite_name,
           CU_get_number_of_tests_run(), failed, CU_get_number_of_asserts());
    CU_cleanup_registry();
    return failed ? 1 : 0;
}

#endif /* tests/unit/unit.h */
