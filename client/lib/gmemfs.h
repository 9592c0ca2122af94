/* gmemfs: maps files of a gmemfs mount into this process as device memory. The C interface of libgmemfs.
 *
 *     gmemfs_file *file;
 *     gmemfs_mapping *mapping;
 *     gmemfs_mapping_info info = {.struct_size = sizeof info};
 *     if (gmemfs_open("/mnt/gpu/weights", NULL, &file) || gmemfs_map(file, NULL, &mapping)
 *         || gmemfs_get_info(mapping, &info))
 *         errx(1, "%s", gmemfs_last_error());
 *     kernel<<<...>>>((float *)info.address, ...);
 *
 * Results   Every function that can fail returns 0 or an errno, and leaves a line of text for gmemfs_last_error().
 * Threads   Every function may be called from any thread, two on one object at once as well. A call on what another
 *           thread has closed or unmapped meanwhile is EBADF; one that is under way when that happens is finished.
 * Ending    Everything may also be called by atexit handlers, by destructors of static objects, and by threads that
 *           end. What isn't unmapped when the process ends is unmapped then.
 * Contexts  None is made and none is needed, but by rings (below): the driver is initialised, and its virtual memory
 *           calls work on the process's addresses. Kernels use a mapping in whatever context of its device is current.
 * Sizes     Bytes, throughout. Device memory comes in multiples of 2 MiB.
 * Versions  An options struct begins with its size; fields are only ever added at the end. Set what you don't use to 0.
 *           A null pointer in place of options stands for all zeros.
 * fork      Objects belong to the process that made them. In a copy of that process (fork) gmemfs_close,
 *           gmemfs_unmap, gmemfs_release and the deleters of tensors do nothing, and everything else returns ECHILD,
 *           because CUDA doesn't outlive a fork either. Start processes anew. A program that has called nothing here
 *           yet may fork.
 */
#ifndef GMEMFS_H
#define GMEMFS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gmemfs_file gmemfs_file;       /* an open file */
typedef struct gmemfs_mapping gmemfs_mapping; /* its memory, mapped; holds a lease */

/* ---- opening ---------------------------------------------------------------------------------------------------- */

#define GMEMFS_CREATE 1    /* make the file where there is none */
#define GMEMFS_EXCLUSIVE 2 /* with GMEMFS_CREATE: EEXIST where there is one */
#define GMEMFS_TRUNCATE 4  /* empty it first */

typedef struct gmemfs_open_options {
    size_t struct_size; /* sizeof(gmemfs_open_options) */
    int flags;          /* GMEMFS_CREATE ... */
    unsigned mode;      /* of a new file, less the umask; 0 stands for 0600 */
    uint64_t size;      /* the file's size is set to this; 0 leaves it as it is. New bytes are zeros. */
    const char *driver; /* library to load; NULL: $GMEMFS_DRIVER, else libcuda.so.1 */
} gmemfs_open_options;

/* Opens a file for reading and writing. A handle gives both, so both are needed. *file is the caller's, to be closed.
 * Nothing is made or cut where the driver can't be opened, nor ever outside a gmemfs mount.
 * ENOTTY: the path isn't on a gmemfs mount. ENOSPC: no device memory for the size. Else as open(2) and ftruncate(2). */
int gmemfs_open(const char *path, const gmemfs_open_options *options, gmemfs_file **file);

/* Closes the file; its mappings stay. NULL is fine. */
void gmemfs_close(gmemfs_file *file);

int gmemfs_get_size(gmemfs_file *file, uint64_t *size);
/* Sets the file's size. Mappings stay as they are; map again to see the new size. ENOSPC, EFBIG. */
int gmemfs_set_size(gmemfs_file *file, uint64_t size);

/* The file's descriptor, for fstat, flock and the like; it stays the file's. */
int gmemfs_get_fd(gmemfs_file *file);

/* The ordinal, in this process, of the device that the file lives on; -1 for host memory. ENODATA: it has no memory
 * yet, and may come to live on any. ENODEV: this process doesn't see that device (CUDA_VISIBLE_DEVICES). */
int gmemfs_get_device(gmemfs_file *file, int *ordinal);

/* After writing through a mapping, and after the kernels have ended: makes what the filesystem keeps of the contents
 * (parity, where it keeps any) current. fsync(2). EIO. */
int gmemfs_seal(gmemfs_file *file);

/* ---- mapping ---------------------------------------------------------------------------------------------------- */

#define GMEMFS_READ_WRITE 0
#define GMEMFS_READ 1 /* kernels of this process that write fault; others may still write */

#define GMEMFS_SHARED 0
#define GMEMFS_ALONE 1 /* EBUSY where another peer holds a lease, and for others while this one is held */

#define GMEMFS_HANDLES_ANY 0 /* fabric handles, and descriptors where those fail for whatever reason */
#define GMEMFS_HANDLES_FABRIC 1
#define GMEMFS_HANDLES_FD 2

#define GMEMFS_REACH_ALL 0
#define GMEMFS_REACH_OWN 1 /* of a file over several devices each reaches what lies on it, and faults on the rest */

typedef struct gmemfs_map_options {
    size_t struct_size;  /* sizeof(gmemfs_map_options) */
    int access;          /* GMEMFS_READ_WRITE, GMEMFS_READ */
    int sharing;         /* GMEMFS_SHARED, GMEMFS_ALONE */
    int handles;         /* GMEMFS_HANDLES_ANY ... */
    uint64_t address;    /* a device address that the mapping must have, say an earlier one's, so that captured graphs
                            stay good; 0: any */
    const int *devices;  /* ordinals of the devices that may use it besides those that the file lies on; NULL: all that
                            can reach these (cuDeviceCanAccessPeer). One that can't is ENOTSUP, and none is ENODEV. */
    size_t device_count; /* of `devices` */
    const int *near;     /* ordinal of the device that will read it: where the file has a copy there
                            (user.gmemfs.replicas), that is mapped, else the file's own memory; NULL: its own. With
                            GMEMFS_READ alone, else EINVAL: the copies go before anybody may write. A copy keeps its
                            bytes while it is mapped, also when the file changes: user.gmemfs.generation tells. */
    int reach;           /* GMEMFS_REACH_ALL, or GMEMFS_REACH_OWN, with which nobody is listed: it needs no link between
                            the devices, and opens nothing to any but its own */
} gmemfs_map_options;

/* Maps all of the file's memory at one contiguous device address, and takes a lease, which ends with the mapping.
 * *mapping is the caller's, to be unmapped. A process has one connection to a mount's broker for all of its mappings
 * there (one more for each 65,536), which stays for the next one, and a mapping has no descriptor of its own: the file
 * may be closed.
 * ENODATA: the file has no memory; give it a size. EACCES: its mode gives this user no reading and writing. EBUSY: see
 * GMEMFS_ALONE. EADDRINUSE: the wished address is taken. ECONNREFUSED, ENOENT: no broker can be reached. ENODEV: this
 * process doesn't see the device. ENOTSUP, ESTALE: no such handles here. */
int gmemfs_map(gmemfs_file *file, const gmemfs_map_options *options, gmemfs_mapping **mapping);

typedef struct gmemfs_mapping_info {
    size_t struct_size;    /* sizeof(gmemfs_mapping_info), set by the caller */
    uint64_t address;      /* device address (CUdeviceptr) of byte 0 */
    uint64_t length;       /* bytes that are mapped, a multiple of 2 MiB */
    uint64_t size;         /* of the file when it was mapped; what lies behind is zeros, unless a peer has written */
    int device;            /* ordinal of the device that byte 0 lives on; of host memory the first that may use it */
    int access;            /* GMEMFS_READ_WRITE, GMEMFS_READ */
    int handles;           /* GMEMFS_HANDLES_FABRIC or _FD: what was imported */
    unsigned extent_count; /* how many allocations it is made of */
    uint64_t host_address; /* where processors load and store it, of a file that lives in host memory; else 0 */
} gmemfs_mapping_info;

int gmemfs_get_info(gmemfs_mapping *mapping, gmemfs_mapping_info *info);

/* A dma-buf descriptor of a part of the mapping, for RDMA libraries (ibv_reg_dmabuf_mr); the caller's, to be closed.
 * Offset and length are multiples of the host's page. ENOTSUP: the driver can't. EINVAL: not within one extent,
 * or no CUDA context is current, which this call alone needs. */
int gmemfs_get_dma_buf(gmemfs_mapping *mapping, uint64_t offset, uint64_t length, int *fd);

/* Unmaps and ends the lease, when all work has ended that was queued before: in the primary contexts of the devices
 * that may use the mapping, and in the context that is current. Other contexts (cuCtxCreate) can't be found: wait for
 * them first. It makes no context, and doesn't disturb graphs that other threads capture. Tensors that were made of it
 * show nothing any more. An errno says what went wrong on the way (the context is lost, say); the mapping is gone all
 * the same, and so is its lease. NULL is fine. */
int gmemfs_unmap(gmemfs_mapping *mapping);

/* Gives the handle back. The memory is unmapped, as by gmemfs_unmap, when the last tensor that was made of it is
 * deleted: now, where there is none. NULL is fine. */
void gmemfs_release(gmemfs_mapping *mapping);

/* ---- waiting ---------------------------------------------------------------------------------------------------- */

typedef struct gmemfs_wait_options {
    size_t struct_size;  /* sizeof(gmemfs_wait_options) */
    const int *devices;  /* ordinals; NULL: all that this process sees */
    size_t device_count; /* of `devices` */
    const char *driver;  /* as in gmemfs_open_options */
} gmemfs_wait_options;

/* Waits as gmemfs_unmap does, and unmaps nothing: until all work has ended that was queued before, on whatever stream,
 * in the primary contexts of these devices, where they have one, and in the context that is current in this thread,
 * whichever device's it is. Unlike cuCtxSynchronize it leaves every graph whole that a thread captures, this one's own
 * as well; what a capture has recorded is no work yet. ENODEV: no such device. EINVAL: options. EIO and others, as the
 * driver has it: a context is lost, say; the other ones have been waited for. */
int gmemfs_wait(const gmemfs_wait_options *options);

/* ---- allocators of other libraries ------------------------------------------------------------------------------ */

/* Some libraries take memory from a pair of functions that they are given, and nothing else: PyTorch's
 * CUDAPluggableAllocator, by their names. Allocator N, 0 to 15, has the pair
 *
 *     void *gmemfs_allocate_in_N(ptrdiff_t size, int device, void *stream);
 *     void gmemfs_free_in_N(void *address, ptrdiff_t size, int device, void *stream);
 *
 * Each block is a file of the allocator's directory, block-PID-NUMBER, of mode 0600, on the device whose ordinal is
 * told. It goes when it is freed, which waits as gmemfs_unmap does. NULL: there is no memory; any other reason is
 * printed on standard error as well, because callers have but one name for it. */
#define GMEMFS_ALLOCATORS 16

/* *number is the caller's, to be closed. `driver`: as in gmemfs_open_options. ENOENT, ENOTDIR, ENOTTY: no directory of
 * a gmemfs mount. EMFILE: all 16 are open, or have blocks. */
int gmemfs_open_allocator(const char *directory, const char *driver, int *number);
#define GMEMFS_PAUSE_KEEP 1 /* the blocks' bytes go to host memory; without it they are dropped */

/* All blocks of the allocator give their device memory back, when the work that the devices have has ended, and keep
 * their addresses, which nothing may use until gmemfs_resume_allocator: then they have memory there again, with their
 * bytes, or zeros. So graphs that were captured stay good. Blocks may be freed and made meanwhile. When pausing fails,
 * what was paused is resumed; when resuming does, those that aren't yet may be resumed later.
 * ENOSPC: host memory, or the device, has no room. ENOTSUP: the mount has no host memory. EBUSY: another peer has a
 * block mapped. EBADF: the allocator is closed. */
int gmemfs_pause_allocator(int number, int flags);
int gmemfs_resume_allocator(int number);

/* Nothing more is to be allocated there. The files of blocks that aren't freed yet lose their names; the memory stays
 * until they are freed. EBADF: it is closed. */
int gmemfs_close_allocator(int number);

/* ---- tensors ---------------------------------------------------------------------------------------------------- */

#define GMEMFS_TENSOR_VERSIONED 1 /* a DLManagedTensorVersioned of DLPack 1.0; else a DLManagedTensor */
#define GMEMFS_TENSOR_READ_ONLY 2 /* says so to the consumer; takes a versioned one */

typedef struct gmemfs_tensor_options {
    size_t struct_size;   /* sizeof(gmemfs_tensor_options) */
    int flags;            /* GMEMFS_TENSOR_... */
    uint64_t address;     /* of the first element, within the mapping: that is the caller's word */
    int32_t device_type;  /* DLPack's: 2 is CUDA */
    int32_t device_id;    /* ordinal */
    uint8_t dtype_code;   /* DLPack's: 0 int, 1 unsigned, 2 float, ... */
    uint8_t dtype_bits;   /* of an element */
    int ndim;             /* how many numbers `shape` has */
    const int64_t *shape; /* elements; the last index is the fastest, and there is no gap */
} gmemfs_tensor_options;

/* A DLPack tensor over the mapping (NULL for one without elements), which it holds: *tensor is the caller's, and its
 * deleter may be called in any thread, with or without Python's lock, and after Python has ended. EINVAL: unknown
 * flags, or no shape. */
int gmemfs_make_tensor(gmemfs_mapping *mapping, const gmemfs_tensor_options *options, void **tensor);

/* ---- directories ------------------------------------------------------------------------------------------------ */

typedef struct gmemfs_directory gmemfs_directory; /* what became of the files in one */

/* Maps all files in a directory, by one request to the broker, through one connection. Not what is in its directories.
 * *directory is the caller's, to be freed; so are the mappings in it, each to be unmapped when its time has come. A
 * file that can't be mapped has a code and hinders no other. Of the options, `address` is 0; `driver` is as in
 * gmemfs_open_options. ENOTDIR. EACCES: the directory can't be listed and searched. EUSERS: it has more than 1,024
 * files. ENOTTY, ECONNREFUSED: as of gmemfs_open and gmemfs_map. */
int gmemfs_map_directory(
    const char *path, const gmemfs_map_options *options, const char *driver, gmemfs_directory **directory);

typedef struct gmemfs_entry {
    size_t struct_size;      /* sizeof(gmemfs_entry), set by the caller */
    const char *name;        /* in the directory; good until that is freed, as the text is */
    gmemfs_mapping *mapping; /* as gmemfs_map makes one, with a lease of its own; NULL where there is a code */
    int code;                /* 0, or the errno. ENODATA: the file is empty. ESTALE: it was removed. EACCES, ... */
    const char *text;        /* what failed and what to do; "" where there is no code */
} gmemfs_entry;

/* In the order of readdir(3). */
size_t gmemfs_get_entry_count(gmemfs_directory *directory);
int gmemfs_get_entry(gmemfs_directory *directory, size_t index, gmemfs_entry *entry);

/* Frees the list; the mappings stay. NULL is fine. */
void gmemfs_free_directory(gmemfs_directory *directory);

/* ---- batches of pages ------------------------------------------------------------------------------------------- */

typedef struct gmemfs_ring gmemfs_ring; /* slots that batches go through; docs/batch.md */

typedef struct gmemfs_ring_options {
    size_t struct_size; /* sizeof(gmemfs_ring_options) */
    unsigned slots;     /* 1 to 16 batches at once; 0: 4 */
    unsigned
        threads; /* of the CPU back end, 1 to 64, one of them each slot's own; 0: as many as processors, 16 at most */
    uint64_t staging;   /* bytes of pages that a slot stages at once, 1 MiB to 1 GiB; 0: 64 MiB. Larger batches go
                           through in pieces. */
    int device;         /* ordinal: whose pages, and which GPU */
    const char *driver; /* as in gmemfs_open_options */
    const char *nvcomp; /* its library; NULL: $GMEMFS_NVCOMP, else wherever it is found */
    const char *model;  /* file of `gmemfs bench --pack`; NULL: the user's; "": none */
} gmemfs_ring_options;

/* Makes a ring, and its threads; neither the driver nor nvCOMP are opened before a batch needs them. Unlike mappings
 * that needs a context: the device's primary one is retained. *ring is the caller's, to be closed. EINVAL: options.
 * EAGAIN, ENOMEM: no threads, no memory. */
int gmemfs_open_ring(const gmemfs_ring_options *options, gmemfs_ring **ring);

/* Waits for the batches under way, and drops their results. NULL is fine. */
void gmemfs_close_ring(gmemfs_ring *ring);

#define GMEMFS_LZ4 1  /* a stream is an LZ4 block */
#define GMEMFS_ZSTD 2 /* a zstd frame */

#define GMEMFS_AUTO 0 /* the sooner one, by a model that was measured on this machine */
#define GMEMFS_CPU 1  /* liblz4, libzstd */
#define GMEMFS_GPU 2  /* nvCOMP */

#define GMEMFS_HOST_PAGES 0
#define GMEMFS_DEVICE_PAGES 1

typedef struct gmemfs_batch {
    size_t struct_size;   /* sizeof(gmemfs_batch) */
    int algorithm;        /* GMEMFS_LZ4, GMEMFS_ZSTD */
    int backend;          /* GMEMFS_AUTO ... */
    int memory;           /* of the pages: GMEMFS_HOST_PAGES, GMEMFS_DEVICE_PAGES */
    size_t page_size;     /* 1 byte to 1 MiB */
    uint64_t page_count;  /* may be 0 */
    uint64_t pages;       /* address of the first page; the others lie behind it */
    void *packed;         /* host memory: the pages' streams, one behind the other */
    uint64_t packed_size; /* bytes there: room, or all streams together */
    uint32_t *sizes;      /* page_count of them: bytes of each stream */
    uint32_t *checksums;  /* the same: CRC32C of each stream; NULL: none. Without them only the CPU unpacks. */
} gmemfs_batch;

/* Queue a batch, and return: its pages are packed, and `packed`, `sizes` and `checksums` written; or they are unpacked,
 * and the pages written. What *batch points to stays as it is until the result is there; *batch itself is copied.
 * Whatever was to write the pages has ended before: a ring's streams wait for no other stream.
 * EAGAIN: every slot is taken: collect a result first. EINVAL: the batch makes no sense. */
int gmemfs_pack_batch(gmemfs_ring *ring, const gmemfs_batch *batch, uint64_t *ticket);
int gmemfs_unpack_batch(gmemfs_ring *ring, const gmemfs_batch *batch, uint64_t *ticket);

#define GMEMFS_CHOICE_NAMED 0    /* by the caller */
#define GMEMFS_CHOICE_ONLY 1     /* there was none: no GPU, no nvCOMP, no checksums, or the device's memory is full */
#define GMEMFS_CHOICE_MODEL 2    /* by the model's file */
#define GMEMFS_CHOICE_MEASURED 3 /* no model knew: both were measured on this ring */

typedef struct gmemfs_batch_result {
    size_t struct_size;      /* sizeof(gmemfs_batch_result), set by the caller */
    uint64_t to_device_ns;   /* nanoseconds: bytes to the device */
    uint64_t compute_ns;     /* kernels, or the processors' work */
    uint64_t from_device_ns; /* bytes back */
    uint64_t total_ns;       /* of the batch, without what was measured before it */
    uint64_t plain_size;     /* bytes of all pages */
    uint64_t packed_size;    /* bytes of all streams */
    double ratio;            /* the first by the second; 0 of an empty batch */
    double bytes_per_second; /* plain_size in total_ns */
    int compute_outweighs;   /* 1: compute_ns is at least five times the two transfers together */
    int backend;             /* GMEMFS_CPU, GMEMFS_GPU */
    int choice;              /* GMEMFS_CHOICE_... */
    uint64_t predicted_ns;   /* total_ns, as the model had it; 0: nobody predicted */
    uint64_t measuring_ns;   /* spent on measuring before this batch; 0: nothing had to be measured */
} gmemfs_batch_result;

/* The batch's result, once; then its slot is free, whatever came of it. `result` may be NULL.
 * EINPROGRESS: it hasn't ended yet (in timeout_ms; -1 waits without end). EINVAL: no such ticket, or collected already.
 * Of a batch that failed, whose targets hold anything: EBADMSG: a stream has another checksum, or isn't one of such a
 * page (the text names the page). ENOBUFS: packed_size is too small. ENOTSUP: no nvCOMP for GMEMFS_GPU; the text has
 * the command that gets it. ENODEV, ENOENT: no such device, no driver. ENOSPC, ENOMEM: no memory for the staging.
 * EIO: the device has failed. */
int gmemfs_poll_batch(gmemfs_ring *ring, uint64_t ticket, gmemfs_batch_result *result);
int gmemfs_wait_batch(gmemfs_ring *ring, uint64_t ticket, int timeout_ms, gmemfs_batch_result *result);

/* Bytes that the stream of one page of this size never exceeds; 0: no such algorithm, or page. */
size_t gmemfs_get_packed_bound(int algorithm, size_t page_size);

/* ---- errors ----------------------------------------------------------------------------------------------------- */

/* What the last failure in this thread was: what failed, on what, and what to do, in one line. Never NULL; good until
 * the thread's next call. */
const char *gmemfs_last_error(void);

/* The CUresult of that failure; 0 where the driver wasn't the cause. */
int gmemfs_last_driver_error(void);

/* ---- for the Python package ------------------------------------------------------------------------------------- */

/* The interpreter's functions that capsules' destructors call, by the names of its C API. */
typedef struct gmemfs_python {
    int (*is_initialized)(void);                                  /* Py_IsInitialized */
    int (*has_lock)(void);                                        /* PyGILState_Check */
    void *(*this_thread)(void);                                   /* PyGILState_GetThisThreadState */
    void *(*unlock)(void);                                        /* PyEval_SaveThread */
    void (*lock)(void *);                                         /* PyEval_RestoreThread */
    void *(*capsule_new)(void *, const char *, void (*)(void *)); /* PyCapsule_New */
    int (*capsule_is_valid)(void *, const char *);                /* PyCapsule_IsValid */
    void *(*capsule_get_pointer)(void *, const char *);           /* PyCapsule_GetPointer */
} gmemfs_python;

/* Call this once, before the two functions below. *python is copied. */
void gmemfs_use_python(const gmemfs_python *python);

/* What a capsule named "gmemfs.owner" points to: handles that its destructor gives back (those that aren't NULL), the
 * mappings of a directory among them. So nothing is lost when an exception comes between a call and what follows it. */
typedef struct gmemfs_owner {
    gmemfs_file *file;
    gmemfs_mapping *mapping;
    gmemfs_directory *directory;
} gmemfs_owner;
void *gmemfs_make_owner(void); /* a new capsule, with NULLs; NULL with Python's exception */

/* gmemfs_make_tensor in a new capsule, whose destructor deletes what nobody took. NULL with *code and the last error,
 * or with Python's exception and *code 0. The caller has Python's lock. */
void *gmemfs_make_capsule(gmemfs_mapping *mapping, const gmemfs_tensor_options *options, int *code);

/* "0.1.0" */
const char *gmemfs_get_version(void);

#ifdef __cplusplus
}
#endif

#endif
