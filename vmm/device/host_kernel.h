/* Host kernel: how a kernel that was compiled for the host reaches the simulator.
 *
 * The simulator runs no GPU code. A program that loads a module first offers the simulator the host-compiled twin of
 * each kernel, by the function that the simulator exports under GMEMFS_OFFER_HOST_KERNEL. A real driver has no such
 * symbol (dlsym gives null), and nothing is offered. cuModuleGetFunction then finds the name among those offered. This
 * is C, because it crosses a library boundary. */
#ifndef GMEMFS_VMM_HOST_KERNEL_H
#define GMEMFS_VMM_HOST_KERNEL_H

#define GMEMFS_OFFER_HOST_KERNEL "gmemfs_sim_offer_host_kernel"

#ifdef __cplusplus
extern "C" {
#endif

/* Where one thread of a launch stands: blockIdx.x, threadIdx.x, gridDim.x, blockDim.x. One dimension is all we use. */
typedef struct gmemfs_lane {
    unsigned block_index, thread_index, block_count, thread_count;
} gmemfs_lane;

/* Runs the kernel for one lane. `params` is cuLaunchKernel's kernelParams: a pointer to each argument. Device pointers
 * among the arguments have been made host pointers by `translate`, which the function calls on each before use:
 * it returns null for an address that isn't mapped with access. Lanes of one launch run in any order. */
typedef void (*gmemfs_host_kernel)(const gmemfs_lane *lane, void **params, void *(*translate)(unsigned long long));

/* Thread-safe. `name` is copied. A later offer of the same name replaces the earlier one. `param_sizes` holds the size
 * in bytes of each argument, `param_count` of them, at most 16: a launch copies the arguments when it is queued, as a
 * real driver does. Returns 0, or EINVAL. */
typedef int (*gmemfs_offer_host_kernel)(
    const char *name, gmemfs_host_kernel kernel, const unsigned *param_sizes, unsigned param_count);

#ifdef __cplusplus
}
#endif
#endif
