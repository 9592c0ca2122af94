"""Calls: how long a single call takes (truncate, a handle, an import), and the copy engines' own rates."""
import os
import statistics

from places import GIB, MIB, device_rates, find_program, mounted_gmemfs, run_json, time_us


def time_truncate(path, size, repeats):
    """Microseconds of create, truncate to `size` and unlink, each time anew."""
    times = {"create_us": [], "truncate_us": [], "unlink_us": []}
    for _ in range(repeats + 1):
        opened = []
        times["create_us"].append(time_us(lambda: opened.append(os.open(path, os.O_RDWR | os.O_CREAT))))
        times["truncate_us"].append(time_us(lambda: os.ftruncate(opened[0], size)))
        os.close(opened[0])
        times["unlink_us"].append(time_us(lambda: os.unlink(path)))
    return times


def bench_truncate(context):
    """truncate of a new file (allocated, cleared, ready), and its unlink: 2 MiB, 1 GiB, 64 GiB."""
    rows = []
    print("\ntruncate of a new file: allocated, cleared, ready; medians of 20")
    with mounted_gmemfs(context.mount_options) as mount:
        sizes = [size for size in (2 * MIB, GIB, 64 * GIB) if size <= context.memory]
        for size in sizes:
            times = time_truncate(os.path.join(mount, "bench"), size, 20)
            medians = {name: statistics.median(values[1:]) for name, values in times.items()}
            print(f"{size // MIB:8} MiB: truncate {medians['truncate_us'] / 1000:.3f} ms, create"
                  f" {medians['create_us']:.0f} us, unlink {medians['unlink_us']:.0f} us; first truncate"
                  f" {times['truncate_us'][0] / 1000:.3f} ms")
            rows.append({"size": size, **medians, "truncate_all_us": times["truncate_us"]})
    return rows


def bench_handle(context):
    """The fabric handle by xattr, first and again; import and map in a peer."""
    size = min(GIB, context.memory // 4)
    first, again = [], []
    with mounted_gmemfs(context.mount_options) as mount:
        path = os.path.join(mount, "bench")
        for _ in range(20):
            with open(path, "wb") as file:
                file.truncate(size)
            first.append(time_us(lambda: os.getxattr(path, "user.fabric_handle")))
            again += [time_us(lambda: os.getxattr(path, "user.fabric_handle")) for _ in range(5)]
            os.unlink(path)
        with open(path, "wb") as file:
            file.truncate(size)
        peer = run_json(find_program("import_map"), "--driver", context.library, path)
    result = {"handle_first_us": statistics.median(first), "handle_again_us": statistics.median(again), "peer": peer}
    print(f"\nfabric handle by xattr: first {result['handle_first_us']:.0f} us,"
          f" again {result['handle_again_us']:.0f} us;"
          f" in a peer, {size // MIB} MiB: import {peer['import_us']:.0f} us, map {peer['map_us']:.0f} us,"
          f" together {peer['import_us'] + peer['map_us']:.0f} us")
    return result


def bench_dma(context):
    """The copy engines' own rates: what no filesystem can exceed."""
    size = min(2 * GIB, context.memory // 4)
    result = device_rates(context, size)
    rates = result["gb_per_second"]
    print(f"\npinned DMA, chunks of 16 MiB, GB/s: in {rates['host_to_device']:.1f}, out {rates['device_to_host']:.1f};"
          f" on the device {rates['device_to_device']:.0f} (read plus written), zeros {rates['zero']:.0f};"
          f" encode {rates['encode']:.0f}, verify {rates['verify']:.0f};"
          f" waiting for 4 KiB {result['us']['in_4k']:.1f} us, for 1 MiB {result['us']['in_1m']:.0f}")
    return result
