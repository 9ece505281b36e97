/* SPDX-License-Identifier: Apache-2.0
 * Included before everything else: where the program's writable globals go, so that they can be put back. */
#pragma clang section data = "scan_data" bss = "scan_bss"
