// Original file: proto/athanor/v1/job.proto


export interface JobServiceForgetResponse {
}

export interface JobServiceForgetResponse__Output {
}
